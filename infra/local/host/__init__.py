"""The local functions host: the worker library that Azure itself runs, with the listeners played by this package.

The worker library indexes and invokes the app. Timers, queues and the admin API are played here, each faithful to the
Functions host as far as a function can tell.
"""

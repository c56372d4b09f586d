"""The local functions host: the worker library that Azure itself runs, with the listeners emulated by this package.

The worker library indexes and invokes the app. HTTP, timers, queues and the admin API are emulated here; a function
can't tell them from the Functions host's.
"""

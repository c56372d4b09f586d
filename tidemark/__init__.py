"""The command line of Tidemark: it reads the app's rows, and puts messages on its queues. The app does the rest."""

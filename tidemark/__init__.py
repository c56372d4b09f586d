"""The command line of Tidemark."""

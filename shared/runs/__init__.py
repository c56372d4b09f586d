"""The life of a run: opened, begun anew, given up, cleaned up after."""

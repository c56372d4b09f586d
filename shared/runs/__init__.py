"""The life cycle of a run: open, restart, abandon, clean up."""

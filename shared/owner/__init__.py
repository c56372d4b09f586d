"""Whose the backup container is: one app at a time."""

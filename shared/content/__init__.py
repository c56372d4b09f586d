"""Recognizing what is on a disk: its partition table and its filesystems."""

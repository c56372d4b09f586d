"""The demo: a disk is backed up, changed, backed up again and once more, and restored; each state is proved."""

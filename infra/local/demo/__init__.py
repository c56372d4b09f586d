"""The demo: a disk is backed up, changed, backed up again and once more; each recovery point is proved."""

"""The kinds of disks that can be backed up."""

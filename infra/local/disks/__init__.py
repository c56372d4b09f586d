"""Real disks for the local Azure: fixed VHDs with ext4 in them, what changes between two states, and page blobs."""

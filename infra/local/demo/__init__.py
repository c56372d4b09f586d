"""The demo: back up a disk, change it, back it up again, restore it, and verify each state."""

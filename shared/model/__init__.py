"""What Tidemark knows, as values: disks, runs, recovery points, ticks, restores, inspections. Pure functions."""

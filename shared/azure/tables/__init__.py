"""The tables: records of disks, recovery points, jobs."""

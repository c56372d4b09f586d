"""The tables: the records of disks, recovery points and jobs."""

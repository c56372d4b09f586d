"""What is in a recovery point: the disk as a file, and what has changed since another one."""

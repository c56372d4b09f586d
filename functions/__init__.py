"""The triggers, a blueprint a file, in the order of a backup's life. Each is one call into `shared`."""

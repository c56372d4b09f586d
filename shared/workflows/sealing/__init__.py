"""The end of `finish_backup`: verify the backup blob, seal it, clean up."""

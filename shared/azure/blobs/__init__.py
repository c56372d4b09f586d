"""Page blobs: read, written, copied; and the backup container."""

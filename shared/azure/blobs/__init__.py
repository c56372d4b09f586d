"""Page blobs: read, written, leased, copied, snapshotted; and the backup container."""

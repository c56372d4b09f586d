"""Page blobs: reading, writing, leases, copies, snapshots; and the backup container."""

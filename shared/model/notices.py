"""Notices about account settings that cost money but break nothing; on record for as long as they apply."""

from shared.model.addresses import BlobAddress


def versions_kept(blob: BlobAddress) -> str:
    """Warn that an account creates a version of a blob with each snapshot, as the response to Snapshot Blob shows.

    https://learn.microsoft.com/azure/storage/blobs/versioning-overview: "a new version is created at the same time that
    the snapshot is created", and stays when the snapshot is deleted.
    """
    return (
        f"blob versioning is enabled on account {blob.account}: each snapshot of {blob.url} creates a version that"
        " stays, and is billed, after the snapshot is deleted. What to do: disable versioning on that account, or add a"
        " lifecycle rule that deletes previous versions; delete the existing versions yourself"
    )


def versioning_notice(blob: BlobAddress, is_versioned: bool | None, before: str) -> str:
    """Return the notice about an account's versions.

    Args:
        blob: the blob that was snapshotted.
        is_versioned: whether the response named a version; None if no snapshot was taken just now.
        before: the notice so far.
    """
    if is_versioned is None:
        return before
    return versions_kept(blob) if is_versioned else ""

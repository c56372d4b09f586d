"""What an account is set to that costs, and breaks nothing: told on the record while it is so. Pure functions."""

from shared.model.addresses import BlobAddress


def versions_kept(blob: BlobAddress) -> str:
    """Say that an account keeps a version of a blob for each snapshot of it, as the answer to Snapshot Blob names one.

    https://learn.microsoft.com/azure/storage/blobs/versioning-overview: "a new version is created at the same time that
    the snapshot is created", and stays when the snapshot is deleted.
    """
    return (
        f"blob versioning is on in the account {blob.account}: each snapshot of {blob.url} leaves a version behind,"
        " which stays, and is billed, when the snapshot is deleted. What to do: turn versioning off in that account, or"
        " add a lifecycle rule that deletes previous versions; those that are there already are to be deleted by you"
    )


def noticed(blob: BlobAddress, is_versioned: bool | None, before: str) -> str:
    """Give what is to be told of an account's versions.

    Args:
        blob: the blob that was snapshotted.
        is_versioned: whether the answer named a version; None where no snapshot was taken just now.
        before: what is told so far.
    """
    if is_versioned is None:
        return before
    return versions_kept(blob) if is_versioned else ""

"""The probes, in the order they are run: what everything rests on comes first."""

from tests.conformance.real.kept import a_snapshot_leaves_a_version, what_is_emptied_leaves_nothing_in_soft_delete
from tests.conformance.real.load import a_busy_source_says_so, writes_have_an_etag_each
from tests.conformance.real.managed.order import OF_DISKS
from tests.conformance.real.premium import a_premium_disk_is_backed_up_and_restored
from tests.conformance.real.probe import Probe
from tests.conformance.real.sizes import a_copy_keeps_its_mark_and_forgets_its_source, fragments_are_listed_and_cleared
from tests.conformance.real.snapshots import (
    a_diff_is_told_where_versions_are_kept,
    a_diff_reaches_across_other_snapshots,
    a_diff_reaches_across_resizes,
    a_snapshot_leaves_the_etag,
)
from tests.conformance.real.sources import (
    a_container_that_exists_is_told_to_a_role_on_it_alone,
    a_copy_within_an_account_needs_no_signature,
    a_signature_is_taken,
    pages_are_copied_from_a_signed_snapshot,
)

OF_ACCOUNTS = (
    Probe(
        "signature",
        "The service accepts the SAS that Tidemark signs, by account key or by user delegation key.",
        "No backup and no restore works: every read of a disk and every copy is signed.",
        a_signature_is_taken,
    ),
    Probe(
        "snapshot-etag",
        "Snapshot Blob, with metadata or without, does not change the base blob's ETag.",
        "Every run is a resync: all valid pages are written again, and take their space again.",
        a_snapshot_leaves_the_etag,
    ),
    Probe(
        "copy-within-account",
        "Within one account, Copy Blob reads a snapshot without a SAS.",
        "Tidemark retries with a SAS; each restore and drill makes one request more.",
        a_copy_within_an_account_needs_no_signature,
    ),
    Probe(
        "copy-pages-between-accounts",
        "Put Page From URL copies from another account's snapshot by SAS.",
        "All data is copied through the function: it works, but it is slower.",
        pages_are_copied_from_a_signed_snapshot,
    ),
    Probe(
        "container-role",
        "Create Container on a container that exists answers 409 to an identity whose only role is on that container.",
        "With a role on the container only, full copies fail with 403.",
        a_container_that_exists_is_told_to_a_role_on_it_alone,
    ),
    Probe(
        "diff-across-snapshots",
        "The diff of two snapshots is complete even if other snapshots between them were taken and deleted.",
        "A backup can miss a change, and only a verify would find it.",
        a_diff_reaches_across_other_snapshots,
    ),
    Probe(
        "diff-with-versioning",
        "The same holds in an account with blob versioning.",
        "As above; or, if the diff is refused, every run is a resync.",
        a_diff_is_told_where_versions_are_kept,
    ),
    Probe(
        "diff-across-resizes",
        "A diff across a resize is given, and lists pages cut off and added again as cleared.",
        "The run that follows a resize is a resync.",
        a_diff_reaches_across_resizes,
    ),
    Probe(
        "long-clear",
        "One Clear Pages of 1 GiB finishes in time on a fragmented blob; the diff of 64 GiB is listed, or refused "
        "with 500.",
        "Tidemark halves a clear that times out. Another refusal fails the run after five ticks.",
        fragments_are_listed_and_cleared,
    ),
    Probe(
        "copy-between-accounts",
        "Copy Blob to another account shows its new metadata while it is pending, and Set Blob Properties removes "
        "x-ms-copy-source afterwards.",
        "A signed URL stays readable for up to 7 days; a copy under way may be started a second time, and be refused.",
        a_copy_keeps_its_mark_and_forgets_its_source,
    ),
    Probe(
        "versions",
        "In an account with blob versioning, each snapshot leaves a version that stays when the snapshot is deleted.",
        "Better than feared: versioning costs less than the docs say.",
        a_snapshot_leaves_a_version,
    ),
    Probe(
        "soft-delete",
        "A blob resized to 0 before it is deleted takes no space in soft delete.",
        "Each drill leaves a copy of its disk in soft delete, which is billed until it expires.",
        what_is_emptied_leaves_nothing_in_soft_delete,
    ),
    Probe(
        "busy-source",
        "A source that is throttled is told as such by the status or by x-ms-copy-source-error-code.",
        "Tidemark takes a busy source for one that refuses it, and copies through the function.",
        a_busy_source_says_so,
    ),
    Probe(
        "write-etags",
        "Writes made one after the other have different ETags (writes made at once may share one).",
        "A backup blob that was changed by somebody else can pass for unchanged.",
        writes_have_an_etag_each,
    ),
    Probe(
        "premium",
        "In a premium account snapshots are read by SAS and diffed, and Copy Blob overwrites a disk that has "
        "snapshots.",
        "Premium disks have no restore in place; or no incremental backup at all.",
        a_premium_disk_is_backed_up_and_restored,
    ),
)

PROBES = (*OF_ACCOUNTS, *OF_DISKS)

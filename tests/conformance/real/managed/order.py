"""The probes of managed disks, in the order they are run."""

from tests.conformance.real.managed.access import (
    a_role_on_the_group_polls,
    a_sixth_access_waits,
    a_snapshot_is_deleted_beside_another,
    access_is_granted_again,
)
from tests.conformance.real.managed.copies import a_snapshot_is_a_source_of_copies, a_snapshot_of_a_closed_disk_is_open
from tests.conformance.real.managed.lists import (
    a_difference_comes_in_pages,
    a_list_comes_in_pages,
    the_footer_follows_the_disk,
)
from tests.conformance.real.managed.uploads import (
    an_upload_is_granted_again,
    an_upload_without_a_footer_is_refused,
    pages_are_copied_to_an_upload,
    the_url_that_writes_reads,
    what_is_put_again_is_the_same,
)
from tests.conformance.real.probe import Probe

OF_DISKS = (
    Probe(
        "disk-polling",
        "A role on the resource group is enough to make a snapshot, to be granted access to it, and to poll for that.",
        "Every grant of access fails with DiskOperations/read: the role is to be assigned on the subscription.",
        a_role_on_the_group_polls,
    ),
    Probe(
        "disk-second-access",
        "Asking for access to a snapshot again while there is some gives the same URL, another one, or 409.",
        "Runs that several instances of the app work on at once are slow, or fail.",
        access_is_granted_again,
    ),
    Probe(
        "disk-footer",
        "A snapshot is read as its disk's bytes and a VHD footer, listed or not, and its difference across a resize is "
        "given.",
        "Backups of managed disks end with no footer; or each run after a resize is a resync.",
        the_footer_follows_the_disk,
    ),
    Probe(
        "disk-list-pages",
        "The list of a snapshot's pages is paged with marker and maxresults, and nothing is lost between two pages.",
        "A full run of a disk of more than 10,000 ranges may miss some; a verify would find that.",
        a_list_comes_in_pages,
    ),
    Probe(
        "disk-diff-pages",
        "The list of what changed between two snapshots of a disk is paged in the same way, and is complete.",
        "A run of more than 10,000 changed ranges may miss some; a verify would find that.",
        a_difference_comes_in_pages,
    ),
    Probe(
        "disk-copies",
        "Put Page From URL and Copy Blob take a managed snapshot's URL as their source, into an ordinary account.",
        "Pages go through the function, which is slower; and mode full does not work.",
        a_snapshot_is_a_source_of_copies,
    ),
    Probe(
        "disk-sixth-access",
        "Access to a sixth snapshot of a disk is refused with 409, and reading the five others goes on.",
        "A run fails instead of waiting until there is room.",
        a_sixth_access_waits,
    ),
    Probe(
        "disk-delete",
        "A snapshot can be deleted as soon as the access to it has ended, and reading another one goes on meanwhile.",
        "The deletion is tried again by later runs; or reads that are refused for a while slow a run down.",
        a_snapshot_is_deleted_beside_another,
    ),
    Probe(
        "disk-deny-all",
        "A snapshot has the network policy that was asked for, though its disk's is DenyAll.",
        "Disks with DenyAll are refused.",
        a_snapshot_of_a_closed_disk_is_open,
    ),
    Probe(
        "disk-put-again",
        "A snapshot or an upload asked for again under its name is the same one; one of another kind is refused.",
        "A run whose request was answered too late fails; or its snapshot holds a later moment than its record says.",
        what_is_put_again_is_the_same,
    ),
    Probe(
        "disk-upload-reads",
        "The URL by which a disk is uploaded gives its properties, page ranges and content too.",
        "What was restored as a managed disk can be compared only after the upload has ended.",
        the_url_that_writes_reads,
    ),
    Probe(
        "disk-second-upload",
        "Asking for access to an upload again gives the same URL, another one, or 409, and the upload goes on.",
        "A restore as a managed disk that was interrupted begins anew.",
        an_upload_is_granted_again,
    ),
    Probe(
        "disk-upload-pages",
        "Put Page From URL copies from a recovery point, by SAS, into an upload, which then becomes a disk.",
        "A restore as a managed disk goes through the function: slower.",
        pages_are_copied_to_an_upload,
    ),
    Probe(
        "disk-upload-footer",
        "Ending an upload whose last 512 bytes are no VHD footer is refused.",
        "Only Tidemark's own check of the footer keeps a disk from being made of it.",
        an_upload_without_a_footer_is_refused,
    ),
)

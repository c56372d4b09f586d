"""The probes of managed disks, run against the local resource manager: each thing that Azure leaves open, both ways."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from infra.local.gateway.faults import Fault, Faults
from infra.local.gateway.interceptor import Interceptor, ServiceCall
from infra.local.gateway.operations import Request
from infra.local.local_azure import APP, LocalAzure
from infra.local.managed_disks import SUBSCRIPTION, ArmFault, Disk, ManagedDisks
from tests.conformance.real.managed.order import OF_DISKS
from tests.conformance.real.managed.place import DISKS_MADE, FULL_DISKS, SNAPSHOTS_MADE
from tests.conformance.real.verdicts import Verdict
from tests.local.disk_probes import Prober, told

KINDS = ("disks", "snapshots")
NEEDS_A_VM = {"disk-diff-pages"}
IN_ORDER = [probe.name for probe in OF_DISKS]
MIB = 1024**2


@pytest.fixture
async def written(managed: ManagedDisks) -> AsyncIterator[Disk]:
    """A disk that a VM is writing to."""
    disk = await managed.create_disk("written", 4 * MIB)
    number = 0

    async def write() -> None:
        nonlocal number
        while True:
            for half in (0, 2 * MIB):
                await disk.write(half + number % 256 * 8192, bytes([number % 251 + 1]) * 4096)
            number += 1
            await asyncio.sleep(0)

    disk.attach("vm")
    writing = asyncio.create_task(write())
    yield disk
    writing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await writing


async def test_each_probe_runs_on_the_local_azure_leaves_no_disk_and_says_no_url(
    prober: Prober, managed: ManagedDisks
) -> None:
    found = await prober.found()
    assert [each.name for each in found] == IN_ORDER
    verdicts = {each.name: each.verdict for each in found}
    assert {name for name, verdict in verdicts.items() if verdict is Verdict.NOT_TRIED} == NEEDS_A_VM, told(found)
    assert {name for name, verdict in verdicts.items() if verdict is Verdict.NOT_SETTLED} == {"disk-polling"}
    rest = set(verdicts) - NEEDS_A_VM - {"disk-polling"}
    assert {verdicts[name] for name in rest} == {Verdict.HOLDS}, told(found)
    assert (managed.disks, managed.snapshots) == ([], [])
    made = {kind: {each.path for each in managed.resource_manager.requests if _makes(kind, each)} for kind in KINDS}
    # The snapshots of a disk that a VM writes to come to these.
    assert len(made["disks"]) == DISKS_MADE
    assert len(made["snapshots"]) + 1 + FULL_DISKS.writes <= SNAPSHOTS_MADE
    for secret in ("sig=", "si=", "snapshot=", "http", "/md-", SUBSCRIPTION, APP.object_id):
        assert secret not in told(found)


def _makes(kind: str, request: Request) -> bool:
    return request.operation == f"{kind.capitalize()} - Create Or Update"


async def test_without_a_resource_group_no_probe_of_disks_is_tried(prober: Prober) -> None:
    found = await replace(prober, place=None).found()
    assert {each.verdict for each in found} == {Verdict.NOT_TRIED}
    assert all("--disk-group was not given" in each.seen[0] for each in found)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("second", "said"),
    [
        ("same", "a second one gave the same URL"),
        ("new", "a second one gave another URL, by which a read gives 206; by the first it gives 206"),
        ("refused", "a second one was refused: 409 OperationNotAllowed; by the first a read gives 206"),
    ],
)
async def test_asking_for_access_again_gives_the_same_or_another_url_or_409(
    prober: Prober, managed: ManagedDisks, second: Any, said: str
) -> None:
    managed.behaviour.second_access = second
    found = await prober.found("disk-second-access", "disk-second-upload")
    assert [each.verdict for each in found] == [Verdict.HOLDS, Verdict.HOLDS], told(found)
    assert all(any(said in line for line in each.seen) for each in found), told(found)


@pytest.mark.nightly
@pytest.mark.parametrize("shown", [True, False])
async def test_the_footer_is_listed_or_not(prober: Prober, managed: ManagedDisks, *, shown: bool) -> None:
    managed.behaviour.shows_footer = shown
    verdict, seen = await prober.one("disk-footer")
    assert verdict is Verdict.HOLDS, seen
    listed = "written" if shown else "not listed"
    assert f"the list of its pages: the footer is {listed}" in seen
    assert "the difference of two snapshots between which nothing was done: the footer is not listed" in seen
    assert f"the difference across a resize: the footer is {listed}" in seen
    assert f"where it was before is {'cleared' if shown else 'not listed'}" in seen


@pytest.mark.nightly
async def test_another_url_by_which_the_first_ends_is_no_second_access(
    prober: Prober, managed: ManagedDisks, faults: Faults
) -> None:
    managed.behaviour.second_access = "new"
    faults.add(Fault("Get Blob", "/md-*", after=1, times=1, refuse=(403, "AuthenticationFailed", "ended")))
    verdict, seen = await prober.one("disk-second-access")
    assert verdict is Verdict.DIFFERS
    assert "another URL, by which a read gives 206; by the first it gives 403 AuthenticationFailed" in seen


@pytest.mark.nightly
async def test_a_sixth_access_that_is_refused_in_another_way_differs(prober: Prober, managed: ManagedDisks) -> None:
    too_many = ArmFault("Snapshots - Grant Access", after=5, times=1, refuse=(400, "TooMany", "six"))
    managed.resource_manager.faults.add(too_many)
    verdict, seen = await prober.one("disk-sixth-access")
    assert verdict is Verdict.DIFFERS
    assert "the sixth access was refused: 400 TooMany" in seen


@pytest.mark.nightly
async def test_a_sixth_access_that_is_granted_settles_nothing(prober: Prober, managed: ManagedDisks) -> None:
    verdict, seen = await prober.one("disk-sixth-access")
    assert verdict is Verdict.HOLDS, seen
    assert "the sixth access was refused: 409 OperationNotAllowed; reads of the five others give 206" in seen
    assert "after the access to one had ended, the sixth was granted" in seen
    managed.behaviour.accesses_per_family = 6
    verdict, seen = await prober.one("disk-sixth-access")
    assert verdict is Verdict.NOT_SETTLED
    assert "six accesses were granted" in seen


@pytest.mark.nightly
async def test_reads_that_are_refused_while_a_snapshot_is_deleted_are_counted(
    prober: Prober, managed: ManagedDisks
) -> None:
    verdict, seen = await prober.one("disk-delete")
    assert verdict is Verdict.HOLDS, seen
    assert "a delete while there was access was refused: 409 OperationNotAllowed" in seen
    assert "right after its access had ended the snapshot was deleted" in seen
    managed.behaviour.merging_reads = 2
    verdict, seen = await prober.one("disk-delete")
    assert verdict is Verdict.DIFFERS
    assert "2 of 3 reads of the other were refused: 409 SnapshotOperationInProgress" in seen


@pytest.mark.nightly
async def test_a_snapshot_of_a_disk_that_denies_all_has_the_policy_that_was_asked_for(
    prober: Prober, managed: ManagedDisks
) -> None:
    verdict, seen = await prober.one("disk-deny-all")
    assert verdict is Verdict.HOLDS, seen
    assert "put without a policy, its snapshot has AllowAll and public access Enabled" in seen
    managed.behaviour.snapshots_inherit_policy = True
    verdict, seen = await prober.one("disk-deny-all")
    assert verdict is Verdict.HOLDS, seen
    assert "put without a policy, its snapshot has DenyAll and public access Disabled" in seen
    assert "put with AllowAll and Enabled, it has AllowAll and public access Enabled; a read gives 206" in seen
    managed.behaviour.policy = {"networkAccessPolicy": "DenyAll"}
    verdict, seen = await prober.one("disk-deny-all")
    assert verdict is Verdict.DIFFERS
    assert "it has DenyAll and public access Enabled; access to it was refused: 409 OperationNotAllowed" in seen
    managed.behaviour.policy = {"networkAccessPolicy": "AllowPrivate"}
    managed.behaviour.is_in_private_network = True
    verdict, seen = await prober.one("disk-deny-all")
    assert verdict is Verdict.DIFFERS, "though it can be read from here"
    assert "it has AllowPrivate and public access Enabled; a read gives 206" in seen


@pytest.mark.nightly
async def test_the_url_that_writes_reads_too_or_does_not(prober: Prober, managed: ManagedDisks) -> None:
    verdict, seen = await prober.one("disk-upload-reads")
    assert verdict is Verdict.HOLDS, seen
    managed.behaviour.uploads_are_readable = False
    verdict, seen = await prober.one("disk-upload-reads")
    assert verdict is Verdict.DIFFERS
    assert "Get Blob Properties: 200; Get Page Ranges: 200; Get Blob: 403 AuthorizationPermissionMismatch" in seen


@pytest.mark.nightly
async def test_what_is_put_again_is_the_same_and_in_another_way_refused(prober: Prober) -> None:
    verdict, seen = await prober.one("disk-put-again")
    assert verdict is Verdict.HOLDS, seen
    assert "a snapshot that was put again: taken; it is the same snapshot" in seen
    assert "an upload that was put again: taken; it is the same disk" in seen
    assert "with another size: refused, 409 PropertyChangeNotAllowed; as an empty disk: refused, 409 Prop" in seen


@pytest.mark.nightly
async def test_a_snapshot_that_is_replaced_where_it_is_put_again_is_told(prober: Prober, managed: ManagedDisks) -> None:
    managed.resource_manager.interceptor = Interceptor(_puts_a_snapshot, 2, "before", _forget_all(managed))
    verdict, seen = await prober.one("disk-put-again")
    assert verdict is Verdict.DIFFERS
    assert "a snapshot that was put again: taken; it is ANOTHER snapshot" in seen


def _puts_a_snapshot(call: ServiceCall) -> bool:
    return call.request.operation == "Snapshots - Create Or Update"


def _forget_all(managed: ManagedDisks) -> Callable[[], None]:
    def forget() -> None:
        for snapshot in managed.snapshots:
            managed.delete(snapshot)

    return forget


@pytest.mark.nightly
async def test_an_upload_without_a_footer_is_refused_or_becomes_a_disk(prober: Prober, managed: ManagedDisks) -> None:
    verdict, seen = await prober.one("disk-upload-footer")
    assert verdict is Verdict.HOLDS, seen
    assert "endGetAccess was refused: 409 InvalidVhd; the disk is then ReadyToUpload" in seen
    managed.behaviour.checks_uploads = False
    verdict, seen = await prober.one("disk-upload-footer")
    assert verdict is Verdict.DIFFERS
    assert "endGetAccess was taken; the disk is then Unattached" in seen
    assert "its export ends with no VHD footer" in seen


@pytest.mark.nightly
async def test_where_there_is_no_such_resource_group_the_probes_fail_and_nothing_is_left(prober: Prober) -> None:
    assert prober.place
    nowhere = replace(prober.place, group=replace(prober.place.group, group="nowhere"))
    [found] = await replace(prober, place=nowhere).found("disk-second-access")
    assert (found.verdict, found.seen[0]) == (Verdict.FAILED, "ResourceNotFoundError: ResourceGroupNotFound")


@pytest.fixture
def faults(azure: LocalAzure) -> Iterator[Faults]:
    """The faults of the storage; none are left for the tests after."""
    yield azure.gateway.faults
    azure.gateway.faults.clear()


@pytest.mark.nightly
async def test_a_list_whose_next_page_is_refused_is_no_list(prober: Prober, faults: Faults) -> None:
    faults.add(Fault("Get Page Ranges", "/md-*", after=2, refuse=(400, "InvalidQueryParameterValue", "marker")))
    verdict, seen = await prober.one("disk-list-pages")
    assert verdict is Verdict.DIFFERS, seen
    assert "asked with maxresults=5: 5 ranges in pages of at most 5, 2 in all, then 400 InvalidQueryParameterV" in seen


@pytest.mark.nightly
async def test_a_snapshot_that_is_refused_as_a_source_is_told_with_its_answer(prober: Prober, faults: Faults) -> None:
    faults.add(Fault("Put Page From URL", refuse_source=(403, "AuthorizationFailure")))
    found = await prober.found("disk-copies", "disk-upload-pages")
    assert [each.verdict for each in found] == [Verdict.DIFFERS, Verdict.DIFFERS], told(found)
    copies, upload = (told([each]) for each in found)
    assert "Put Page From URL: 403 CannotVerifyCopySource; x-ms-copy-source-error-code: AuthorizationFailure" in copies
    assert "Copy Blob of 20972032 bytes: taken, then success" in copies
    assert "Put Page From URL of a block and of the footer: 403 CannotVerifyCopySource, 403 CannotVerif" in upload


@pytest.mark.nightly
async def test_pages_that_are_not_those_of_the_source_are_no_copy(prober: Prober, faults: Faults) -> None:
    faults.add(Fault("Put Page From URL", spoil=True))
    found = await prober.found("disk-copies", "disk-upload-pages")
    assert found[0].verdict is Verdict.DIFFERS
    assert "the pages are NOT those of the disk" in told(found)
    assert found[1].verdict is Verdict.DIFFERS
    faults.clear()
    faults.add(Fault("Put Page From URL", times=1, spoil=True))
    verdict, seen = await prober.one("disk-upload-pages")
    assert verdict is Verdict.DIFFERS
    assert "the disk is then Unattached" in seen
    assert "a snapshot of the disk has NOT the block" in seen


@pytest.mark.nightly
async def test_a_diff_is_listed_in_pages_of_a_disk_that_a_vm_writes_to(prober: Prober, written: Disk) -> None:
    verdict, seen = await prober.beside(written.id.text).one("disk-diff-pages")
    assert verdict is Verdict.HOLDS, seen
    assert "in pages of at most" in seen
    assert "it takes more than 10,000 to see a page end by itself" in seen
    assert "NOT the same" not in seen


@pytest.mark.nightly
async def test_a_change_that_a_diff_does_not_list_is_found(azure: LocalAzure, prober: Prober, written: Disk) -> None:
    azure.gateway.leave_out(written.content.blob, 0, 2 * MIB)
    verdict, seen = await prober.beside(written.id.text).one("disk-diff-pages")
    assert verdict is Verdict.DIFFERS, seen
    assert "of the blocks that it does not list are NOT the same" in seen


@pytest.mark.nightly
async def test_a_disk_that_nobody_writes_to_settles_nothing(prober: Prober, managed: ManagedDisks) -> None:
    idle = await managed.create_disk("idle", MIB)
    verdict, seen = await prober.beside(idle.id.text).one("disk-diff-pages")
    assert verdict is Verdict.NOT_SETTLED
    assert "nothing was written to it" in seen
    assert managed.snapshots == []
    assert managed.disks == [idle]

"""Messages: what a step sends, the next one reads; anything else is refused, and no message has a secret."""

import json
import re
from typing import Any

import pytest

from infra.local.local_azure import ROOT
from shared.azure.queues import MAX_DELIVERIES, POISON_SUFFIX, QUEUE_OF, QUEUES
from shared.limits import MAX_NAME
from shared.model.addresses import BlobAddress
from shared.model.disk import Disk, PageBlobDisk
from shared.model.job import JobKind
from shared.model.messages import (
    BatchMessage,
    FinishMessage,
    InspectedMessage,
    InspectionMessage,
    JobMessage,
    Message,
    MessageError,
    PartMessage,
    PlanMessage,
    RestoreMessage,
    RunMessage,
)
from shared.model.schema import SCHEMA

DISK = "https://disks.blob.core.windows.net/vhds/vm%201/os.vhd"
SNAPSHOT = "2026-11-22T12:34:56.1234567Z"
RUN = {"disk": DISK, "run": SNAPSHOT}
BATCH = {**RUN, "number": 3}
DRILL = {"disk": DISK, "task": "drill", "inspection": "6f3c1d2e"}
LONGEST = PageBlobDisk(
    BlobAddress(f"https://{'d' * 24}.blob.core.windows.net", "d" * 24, "v" * 63, "\N{FLOPPY DISK}" * MAX_NAME)
)
KIB = 1024


def body(message: object) -> bytes:
    return json.dumps(message).encode()


@pytest.mark.parametrize(
    "message",
    [
        PlanMessage(disk=Disk.parse(DISK), run=SNAPSHOT),
        PlanMessage(disk=Disk.parse(DISK), run=SNAPSHOT, plan=2),
        BatchMessage(disk=Disk.parse(DISK), run=SNAPSHOT, plan=1, number=40_000),
        FinishMessage(disk=Disk.parse(DISK), run=SNAPSHOT),
        RestoreMessage(disk=Disk.parse(DISK), restore="6f3c1d2e"),
        InspectionMessage(disk=Disk.parse(DISK), task=JobKind.VERIFY, inspection=f"before-{SNAPSHOT}"),
        InspectionMessage(disk=Disk.parse(DISK), task=JobKind.DRILL, inspection="6f3c1d2e"),
        PartMessage(disk=Disk.parse(DISK), task=JobKind.VERIFY, inspection="20261122T1200Z", part=0),
        PartMessage(disk=Disk.parse(DISK), task=JobKind.DRILL, inspection="6f3c1d2e", part=8191),
    ],
)
def test_a_message_is_read_as_it_was_sent(message: Message) -> None:
    assert type(message).read(message.body.encode()) == message


@pytest.mark.parametrize(
    "message",
    [
        PlanMessage(disk=LONGEST, run=SNAPSHOT, plan=9999),
        BatchMessage(disk=LONGEST, run=SNAPSHOT, plan=9999, number=10**6),
        FinishMessage(disk=LONGEST, run=SNAPSHOT, plan=9999),
        RestoreMessage(disk=LONGEST, restore="6" * 36),
        InspectionMessage(disk=LONGEST, task=JobKind.VERIFY, inspection=f"before-{SNAPSHOT}"),
        PartMessage(disk=LONGEST, task=JobKind.VERIFY, inspection=f"before-{SNAPSHOT}", part=8191),
    ],
)
def test_a_message_fits_whatever_its_disk_is_named(message: Message) -> None:
    assert len(message.body.encode()) <= 48 * KIB


def test_a_message_names_its_disk_and_run_by_their_keys() -> None:
    message = FinishMessage(disk=Disk.parse(DISK), run=SNAPSHOT)
    assert message.disk.backup_name.endswith("/vm 1/os.vhd")
    assert message.run_id == message.disk.run_id(SNAPSHOT)


def test_a_message_of_a_first_plan_may_leave_its_number_out() -> None:
    assert PlanMessage.read(body(RUN)) == PlanMessage(disk=Disk.parse(DISK), run=SNAPSHOT, plan=0)


@pytest.mark.parametrize(
    "kind", [PlanMessage, BatchMessage, FinishMessage, RestoreMessage, InspectionMessage, PartMessage]
)
@pytest.mark.parametrize(
    "sent",
    [b"", b"{", b"null", b"[]", b'"text"', b"\xff\xfe", b"{}"],
)
def test_what_is_not_a_message_is_refused(kind: type[Message], sent: bytes) -> None:
    with pytest.raises(MessageError, match=f"not a {kind.__name__}"):
        kind.read(sent)


@pytest.mark.parametrize(
    ("kind", "sent", "field"),
    [
        pytest.param(PlanMessage, {"run": SNAPSHOT}, "disk", id="no disk"),
        pytest.param(FinishMessage, {"disk": DISK}, "run", id="no run"),
        pytest.param(FinishMessage, {**RUN, "plan": "first"}, "plan", id="a plan that is no number"),
        pytest.param(PlanMessage, {**RUN, "window": 1}, "window", id="a field that there is not"),
        pytest.param(FinishMessage, BATCH, "number", id="the message of another step"),
        pytest.param(BatchMessage, RUN, "number", id="a batch without a number"),
        pytest.param(BatchMessage, {**BATCH, "number": -1}, "number", id="a batch with a negative number"),
        pytest.param(RestoreMessage, {"disk": DISK}, "restore", id="no restore"),
        pytest.param(RestoreMessage, {"restore": "6f3c1d2e"}, "disk", id="a restore of no disk"),
        pytest.param(RestoreMessage, {**RUN, "restore": "6f3c1d2e"}, "run", id="a restore with a run"),
        pytest.param(RestoreMessage, {"disk": DISK, "restore": 7}, "restore", id="a restore that is a number"),
        pytest.param(InspectionMessage, {**DRILL, "task": "repair"}, "task", id="a task that there is not"),
        pytest.param(InspectionMessage, {**DRILL, "part": 1}, "part", id="a part where none is compared"),
        pytest.param(InspectionMessage, {"disk": DISK, "task": "drill"}, "inspection", id="no inspection"),
        pytest.param(PartMessage, DRILL, "part", id="no part"),
        pytest.param(PartMessage, {**DRILL, "part": -1}, "part", id="a part before the first"),
        pytest.param(PartMessage, {**DRILL, "part": 1.5}, "part", id="half a part"),
    ],
)
def test_a_message_with_a_mistake_is_refused_by_the_name_of_its_field(
    kind: type[Message], sent: dict[str, object], field: str
) -> None:
    with pytest.raises(MessageError, match=rf'(: |; )({field}: |{field} is missing|unknown field "{field}")'):
        kind.read(body(sent))


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(MessageError) as refusal:
        BatchMessage.read(body({**BATCH, "plan": "?sig=S3CRET", "number": "S3CRET"}))
    assert "S3CRET" not in str(refusal.value)


def test_the_message_of_a_restore_names_the_disk_whose_point_is_restored() -> None:
    message = RestoreMessage(disk=Disk.parse(DISK), restore="6f3c1d2e")
    assert message.disk.name == DISK
    assert json.loads(message.body) == {
        "schema": SCHEMA,
        "disk": DISK,
        "restore": "6f3c1d2e",
        "request": "",
        "given_up": False,
    }


def test_a_refusal_does_not_repeat_what_was_sent_to_a_restore() -> None:
    with pytest.raises(MessageError) as refusal:
        RestoreMessage.read(body({"disk": ["S3CRET"], "restore": {"sig": "S3CRET"}}))
    assert "S3CRET" not in str(refusal.value)


def test_the_message_of_an_inspection_names_the_disk_whose_point_is_inspected() -> None:
    message = PartMessage(disk=Disk.parse(DISK), task=JobKind.DRILL, inspection="6f3c1d2e", part=7)
    assert message.disk.name == DISK
    assert json.loads(message.body) == {"schema": SCHEMA, **DRILL, "part": 7}


# --- queues (REST: Naming queues and metadata: 3 to 63 lowercase letters, digits and single hyphens)


def kinds(kind: type[Any]) -> set[type[Any]]:
    return {kind}.union(*(kinds(inner) for inner in kind.__subclasses__()))


def test_every_message_has_a_queue_of_its_own() -> None:
    assert set(QUEUE_OF) == kinds(Message) - {Message, RunMessage, JobMessage, InspectedMessage}
    assert len(set(QUEUE_OF.values())) == len(QUEUE_OF)


def test_no_queue_has_the_name_of_another_or_of_its_poison_queue() -> None:
    assert len({*QUEUES, *(f"{queue}{POISON_SUFFIX}" for queue in QUEUES)}) == 2 * len(QUEUES)


def test_the_host_delivers_a_failing_message_as_often_as_the_errors_say() -> None:
    host = json.loads((ROOT / "host.json").read_text())
    assert host["extensions"]["queues"]["maxDequeueCount"] == MAX_DELIVERIES


@pytest.mark.parametrize("queue", QUEUES)
def test_the_queue_service_accepts_every_queue_and_its_poison_queue(queue: str) -> None:
    for name in (queue, f"{queue}{POISON_SUFFIX}"):
        assert re.fullmatch(r"(?=.{3,63}$)[a-z0-9]+(-[a-z0-9]+)*", name)

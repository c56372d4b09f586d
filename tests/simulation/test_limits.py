"""What Azurite takes and the service does not: the simulation refuses it, and the app lives with it.

Where each limit is from is told in `tests.simulation.limits`; what Azurite refuses too, in `tests/conformance`.
"""

import json
from datetime import timedelta
from typing import Any, NoReturn

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.data.tables import TableTransactionError

from shared.azure.answers import error_code
from shared.limits import PAGE
from shared.model.job import Stage
from shared.model.names import RESTORE_REQUESTS_QUEUE
from tests.conformance.in_memory import SimulatedCloud
from tests.simulation import limits
from tests.simulation.refusals import refusal
from tests.simulation.scenes import Scene
from tests.simulation.small import make_small
from tests.simulation.world import DISKS

HALF_A_DAY = timedelta(hours=12)
GRIN = "\N{GRINNING FACE}"  # two characters in UTF-16


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


def raised(refusal: pytest.ExceptionInfo[HttpResponseError]) -> tuple[type[HttpResponseError], int | None, str]:
    """Tell what was raised."""
    return type(refusal.value), refusal.value.status_code, error_code(refusal.value)


def properties(count: int) -> dict[str, Any]:
    return {f"p{number}": number for number in range(count)}


def test_a_row_has_252_properties_beside_its_keys_and_its_timestamp() -> None:
    limits.require_row("a", "b", properties(252))
    with pytest.raises(HttpResponseError) as error:
        limits.require_row("a", "b", properties(253))
    assert raised(error) == (HttpResponseError, 400, "TooManyProperties")


@pytest.mark.parametrize(
    ("name", "code"),
    [("1a", "PropertyNameInvalid"), ("a-b", "PropertyNameInvalid"), ("a" * 256, "PropertyNameTooLong")],
)
def test_a_property_is_named_as_c_sharp_names_its_identifiers(name: str, code: str) -> None:
    limits.require_row("a", "b", {"a" * 255: 1, "_ünï": 2})
    with pytest.raises(HttpResponseError) as error:
        limits.require_row("a", "b", {name: 1})
    assert raised(error) == (HttpResponseError, 400, code)


def test_a_row_has_a_mebibyte_of_utf_16_with_its_names_and_keys() -> None:
    texts = {f"text{number}": "x" * 32_000 for number in range(16)}
    rest = limits.ENTITY - 4 - 2 * 2 - sum(8 + 2 * len(name) + 2 * len(text) + 4 for name, text in texts.items())
    last = "x" * ((rest - 8 - 2 * len("last") - 4) // 2)
    limits.require_row("a", "b", {**texts, "last": last})
    with pytest.raises(HttpResponseError) as error:
        limits.require_row("a", "b", {**texts, "last": f"{last}x"})
    assert raised(error) == (HttpResponseError, 400, "EntityTooLarge")


def test_a_transaction_has_100_operations() -> None:
    rows: list[limits.Row] = [("a", f"{number}", {}) for number in range(101)]
    limits.require_transaction(rows[:100])
    with pytest.raises(HttpResponseError) as error:
        limits.require_transaction(rows)
    assert raised(error) == (TableTransactionError, 400, "InvalidInput")


def test_a_transaction_is_of_one_partition() -> None:
    with pytest.raises(ValueError, match="Partition Keys in the batch must all be the same"):
        limits.require_transaction([("a", "1", {}), ("b", "2", {})])


@pytest.fixture
async def memory() -> SimulatedCloud:
    return SimulatedCloud()


async def test_a_blob_has_8_kib_of_metadata(memory: SimulatedCloud) -> None:
    blobs, disk = memory.services.blobs, memory.disks.blob("disk.vhd")
    fits = {"name": "x" * (limits.METADATA - len("name"))}
    with pytest.raises(HttpResponseError) as error:
        await blobs.create(disk, PAGE, {"name": f"{fits['name']}x"})
    assert raised(error) == (HttpResponseError, 400, "MetadataTooLarge")
    await blobs.create(disk, PAGE, fits)


async def test_metadata_has_names(memory: SimulatedCloud) -> None:
    with pytest.raises(HttpResponseError) as error:
        await memory.services.blobs.create(memory.disks.blob("disk.vhd"), PAGE, {"": "x"})
    assert raised(error) == (HttpResponseError, 400, "EmptyMetadataKey")


@pytest.mark.parametrize("name", ["x" * 1024, GRIN * 512], ids=["ascii", "surrogates"])
async def test_a_blob_s_name_has_1024_characters_of_utf_16(memory: SimulatedCloud, name: str) -> None:
    services, disks = memory.services, memory.disks
    await services.blobs.create(disks.blob(name), PAGE, {})
    for call in (
        services.blobs.create(disks.blob(f"{name}x"), PAGE, {}),
        services.pages.find(disks.blob(f"{name}x")),
    ):
        with pytest.raises(HttpResponseError) as error:
            await call
        assert raised(error) == (HttpResponseError, 400, "OutOfRangeInput")


def premium(snapshots: int = 0) -> Scene:
    """Make a scene with a premium disk of which somebody has taken so many snapshots."""
    scene = Scene()
    for _ in range(snapshots):
        scene.world.foreign_snapshots.add((scene.disk, scene.world.snapshot(scene.disk, None)))
    scene.world.premium.add(DISKS.account)
    scene.world.pass_time(HALF_A_DAY)
    return scene


def error_of(scene: Scene) -> str:
    record = scene.world.record(scene.disk)
    return record.last_error if record else ""


async def test_a_premium_disk_has_100_snapshots_and_one_in_ten_minutes() -> None:
    scene = premium(snapshots=99)
    scene.world.snapshot(scene.disk, None)
    scene.world.pass_time(timedelta(minutes=9, seconds=59))
    with pytest.raises(HttpResponseError) as error:
        scene.world.snapshot(scene.disk, None)
    assert raised(error) == (ResourceExistsError, 409, "SnapshotCountExceeded")
    scene.world.blobs[scene.disk].snapshots.pop(min(scene.world.blobs[scene.disk].snapshots))
    with pytest.raises(HttpResponseError) as error:
        scene.world.snapshot(scene.disk, None)
    assert raised(error) == (ResourceExistsError, 409, "SnapshotOperationRateExceeded")
    scene.world.pass_time(timedelta(seconds=1))
    scene.world.snapshot(scene.disk, None)


async def test_a_premium_disk_is_backed_up_for_ever_beside_98_snapshots_of_others() -> None:
    scene = premium(snapshots=98)
    for tick in range(1, 8):
        await scene.tick()
        await scene.pass_time(HALF_A_DAY)
        assert len(scene.world.points_of(scene.disk)) == tick
        assert len(scene.world.blobs[scene.disk].snapshots) == 99
    assert error_of(scene) == ""
    assert len(scene.world.heartbeats) == 7


async def test_a_premium_disk_without_room_for_a_snapshot_says_so_and_is_backed_up_once_there_is() -> None:
    scene = premium(snapshots=99)
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    for _ in range(3):
        await scene.tick()
        await scene.pass_time(HALF_A_DAY)
    assert len(scene.world.points_of(scene.disk)) == 1
    assert "SnapshotCountExceeded (409)" in error_of(scene)
    assert "delete old snapshots of the disk: premium storage allows 100" in error_of(scene)
    assert len(scene.world.heartbeats) == 1
    assert {(scene.disk, time) for time in scene.world.blobs[scene.disk].snapshots} > scene.world.foreign_snapshots
    disk, oldest = min(scene.world.foreign_snapshots)
    del scene.world.blobs[disk].snapshots[oldest]
    scene.world.foreign_snapshots.remove((disk, oldest))
    await scene.tick()
    await scene.pass_time(HALF_A_DAY)
    assert len(scene.world.points_of(scene.disk)) == 2
    assert len(scene.world.heartbeats) == 2
    assert scene.world.violations == []


async def refuse_at_length(*_: Any, **__: Any) -> NoReturn:
    error = refusal(403, "AuthorizationFailure")
    error.message = "<p>Forbidden</p>" * 5000  # as a proxy may: more than a table takes in a text
    raise error


async def test_an_error_that_is_told_at_length_is_on_record_all_the_same() -> None:
    scene = Scene()
    scene.services.blobs.put_from_url = refuse_at_length
    await scene.tick()
    await scene.pass_time(timedelta(hours=1))
    assert error_of(scene).startswith("AuthorizationFailure (403): <p>Forbidden</p>")
    assert error_of(scene).endswith(
        "What to do: allow the function app through the account's firewall, and allow the way it signs in (key or"
        " identity)."
    )


@pytest.mark.nightly
async def test_a_restore_that_is_refused_at_length_says_why_and_ends() -> None:
    scene = Scene()
    await scene.tick()
    await scene.pass_time(timedelta(hours=1))
    scene.services.copies.start = refuse_at_length
    scene.world.enqueue(
        RESTORE_REQUESTS_QUEUE,
        json.dumps({"disk": scene.disk.url, "point": "latest", "target": DISKS.blob("new.vhd").url}).encode(),
    )
    await scene.pass_time(timedelta(days=1))
    [restore] = scene.world.restore_rows()
    assert restore.state is Stage.FAILED
    assert "AuthorizationFailure (403): <p>Forbidden</p>" in restore.reason
    assert restore.ended

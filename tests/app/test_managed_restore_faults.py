"""What can go wrong where a managed disk is made of a recovery point; and that none is ever left half made."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from infra.local.gateway import Fault
from infra.local.gateway.roles import Role
from infra.local.local_azure import APP, ROOT
from infra.local.managed_disks import ArmFault, ManagedDisks
from shared.events import Event
from shared.model.job import Stage
from shared.model.names import BACKUPS_TABLE, MANAGE_QUEUE
from shared.model.run import Kind
from tests.app.cloud import MIB, Cloud, until
from tests.app.managed_restoring import (
    BACK,
    SIZE,
    UPLOADING,
    ask,
    at,
    backed_up,
    content,
    done,
    ended,
    hold_back,
    linux_disk,
    until_uploading,
)
from tests.app.restoring import restore_of
from tests.app.test_logs import secrets_in
from tests.app.test_managed_disks import DISKS_OF_GROUP, Managed, back_up

UPLOADS = "/md-impexp-*"
READER = Role.read(ROOT / "infra" / "roles" / "managed-disk-reader.json")
RESTORER = Role.read(ROOT / "infra" / "roles" / "managed-disk-restorer.json")
IN_PARTS: dict[str, object] = {
    "restore.upload.LOST_FOR": timedelta(seconds=1),
    "restore.upload.COPIED_PART": 4 * MIB,
    "restore.upload.COPIES_FOR": timedelta(),
}
"""What is changed of the app so that a small disk is copied by several invocations, and an upload soon given up."""


@pytest.mark.nightly
async def test_where_the_service_can_not_read_the_backup_the_bytes_go_through_the_function(
    cloud: Cloud, managed: ManagedDisks
) -> None:
    async with backed_up(cloud, managed, log_everything=True) as (app, data):
        refused = cloud.azure.gateway.faults.add(
            Fault("Put Page From URL", UPLOADS, refuse_source=(403, "AuthorizationFailure"))
        )
        restore = await done(app, await ask(cloud, data.known.name, adopt=False))
        assert refused.hits
        assert restore.copying.startswith("through the function, because the service could not copy from the source: ")
        new = at(managed)
        assert new
        assert await content(new) == await data.content()
        assert await app.cloud.logged(Event.COPY_THROUGH_FUNCTION)
    rows = [str(dict(row)) async for row in cloud.tables.get_table_client(BACKUPS_TABLE).list_entities()]
    assert secrets_in(cloud.log.read_text() + "".join(rows)) == []


@pytest.mark.nightly
async def test_a_trial_is_proved_by_a_snapshot_that_is_deleted_and_is_not_backed_up(
    cloud: Cloud, managed: ManagedDisks
) -> None:
    async with backed_up(cloud, managed) as (app, data):
        restore = await done(app, await ask(cloud, data.known.name, adopt=False))
        new = at(managed)
        assert new
        assert await content(new) == await data.content()
        assert "matches the recovery point" in restore.proof
        assert await Managed(cloud, new).points() == []
        assert [snapshot.source_id.rpartition("/")[2] for snapshot in managed.snapshots] == ["data"]
        new.attach("/subscriptions/s/vm")


@pytest.mark.nightly
async def test_an_upload_that_fails_is_begun_anew_with_another_disk(cloud: Cloud, managed: ManagedDisks) -> None:
    async with backed_up(cloud, managed) as (app, data):
        broken = ArmFault("Disks - Revoke Access", path="*/back/*", after=1, times=1, fail=("InternalError", "Broken."))
        fault = managed.resource_manager.faults.add(broken)
        restore = await done(app, await ask(cloud, data.known.name))
        assert (restore.attempt, fault.hits) == (2, 1)
        assert "Broken" in restore.last_error
        new = at(managed)
        assert new
        assert new.tags["tidemark-restore"] == f"{restore.restore}/2"
        assert await content(new) == await data.content()
        [point] = await Managed(cloud, new).points()
        assert point.kind is Kind.RESTORE
        made = [line for line in cloud.log.read_text().splitlines() if Event.RESTORE_DISK_MADE in line]
        assert len(made) == 2


@pytest.mark.nightly
async def test_without_the_role_a_restore_is_refused_and_says_which_role_is_missing(
    cloud: Cloud, managed: ManagedDisks
) -> None:
    async with backed_up(cloud, managed) as (app, data):
        managed.roles.clear()
        managed.give(APP, READER)
        refused = await ended(app, await ask(cloud, data.known.name))
        assert refused.state is Stage.REFUSED
        assert "assign the app's identity the role Tidemark managed disk restorer" in refused.reason
        assert at(managed) is None
        managed.give(APP, RESTORER)
        await done(app, await ask(cloud, data.known.name))


@pytest.mark.nightly
async def test_a_role_that_is_lost_on_the_way_is_waited_for_and_named(cloud: Cloud, managed: ManagedDisks) -> None:
    changed = {"jobs.loop.MAX_CHECK_DELAY": timedelta(seconds=1)}
    async with backed_up(cloud, managed, changed=changed) as (app, data):
        hold = asyncio.Event()
        fault = Fault("Put Page From URL", UPLOADS, delay_until=hold, times=1)
        writing = cloud.azure.gateway.faults.add(fault)
        restore = await ask(cloud, data.known.name)
        await writing.struck.wait()
        managed.roles.clear()
        managed.give(APP, READER)
        hold.set()
        await until(lambda: cloud.logged(Event.RESTORE_STEP_FAILED), "word of the role")
        assert "the role Tidemark managed disk restorer" in cloud.log.read_text()
        managed.give(APP, RESTORER)
        assert (await done(app, restore)).attempt == 1


@pytest.mark.nightly
@pytest.mark.parametrize(
    "operation",
    [
        "Disks - Create Or Update",
        "Disks - Grant Access",
        "Put Page From URL",
        "Disks - Revoke Access",
        "Copy Blob",
        "Snapshots - Create Or Update",
        "Snapshots - Grant Access",
    ],
)
async def test_a_worker_that_dies_at_any_stage_leaves_the_restore_to_the_next(
    cloud: Cloud, managed: ManagedDisks, operation: str
) -> None:
    hold = asyncio.Event()
    async with backed_up(cloud, managed, lease=2.0) as (app, data):
        struck = hold_back(cloud, managed, operation, hold)
        restore = await ask(cloud, data.known.name)
        await struck.wait()
        app.host.kill()
    hold.set()
    settings: Any = managed.settings
    async with cloud.app(f"{DISKS_OF_GROUP}/data", lease=2.0, **settings) as app:
        found = await done(app, restore)
        new = at(managed)
        assert new
        assert (found.attempt, await content(new)) == (1, await data.content())
        assert not new.upload
        await new.write(0, bytes(512))
        [point] = await back_up(app, Managed(cloud, new))
        assert point.kind is Kind.INCREMENTAL


@pytest.mark.nightly
@pytest.mark.parametrize("second", ["same", "new", "refused"])
async def test_an_upload_whose_url_died_with_its_worker_is_gone_on_with_or_begun_anew(
    cloud: Cloud, managed: ManagedDisks, second: str
) -> None:
    managed.behaviour.second_access = second  # type: ignore[assignment]  # one of its values
    hold = asyncio.Event()
    async with backed_up(cloud, managed, lease=2.0, changed=IN_PARTS) as (app, data):
        writing = Fault("Put Page From URL", UPLOADS, after=1, times=1, delay_until=hold)
        struck = cloud.azure.gateway.faults.add(writing).struck
        restore = await ask(cloud, data.known.name)
        await struck.wait()
        app.host.kill()
    interrupted = await restore_of(cloud, restore)
    assert interrupted
    assert (interrupted.bytes_done, interrupted.copied_from != "") == (8 * MIB, True)
    settings: Any = managed.settings
    async with cloud.app(f"{DISKS_OF_GROUP}/data", lease=2.0, changed=IN_PARTS, **settings) as app:
        found = await done(app, restore)
        assert found.attempt == (2 if second == "refused" else 1)
        hold.set()  # the late write of the worker that is dead
        await asyncio.sleep(0)
        new = at(managed)
        assert new
        assert await content(new) == await data.content()


@pytest.mark.nightly
async def test_a_restore_that_is_cancelled_while_it_uploads_leaves_no_disk(cloud: Cloud, managed: ManagedDisks) -> None:
    async with backed_up(cloud, managed) as (app, data):
        hold = asyncio.Event()
        cloud.azure.gateway.faults.add(Fault("Put Page From URL", UPLOADS, delay_until=hold))
        restore = await ask(cloud, data.known.name)
        await until_uploading(managed)
        await cloud.put(MANAGE_QUEUE, json.dumps({"do": "cancel", "job": restore}))
        await until(lambda: cloud.logged(Event.INTENT_DONE), "the intent")
        hold.set()
        found = await ended(app, restore)
        assert found.state is Stage.FAILED
        assert "The incomplete copy is deleted" in found.reason
        assert at(managed) is None
        await done(app, await ask(cloud, data.known.name))


@pytest.mark.nightly
async def test_a_disk_that_somebody_makes_in_place_of_a_half_made_one_is_left_alone(
    cloud: Cloud, managed: ManagedDisks
) -> None:
    async with backed_up(cloud, managed) as (app, data):
        hold = asyncio.Event()
        cloud.azure.gateway.faults.add(Fault("Put Page From URL", UPLOADS, delay_until=hold))
        restore = await ask(cloud, data.known.name)
        await until_uploading(managed)
        other = await managed.create_disk("back", SIZE, tags={"by": "somebody"})
        hold.set()
        found = await ended(app, restore)
        assert found.state is Stage.FAILED
        assert "already exists, and a restore never writes over a managed disk" in found.reason
        assert at(managed) is other
        assert not await Managed(cloud, other).points()


@pytest.mark.nightly
async def test_while_a_disk_is_made_no_tick_backs_it_up_and_no_second_restore_makes_it(
    cloud: Cloud, managed: ManagedDisks
) -> None:
    data = await linux_disk(cloud, managed)
    settings: Any = managed.settings
    async with cloud.app(f"{DISKS_OF_GROUP}/*", **settings) as app:
        await back_up(app, data)
        hold = asyncio.Event()
        cloud.azure.gateway.faults.add(Fault("Put Page From URL", UPLOADS, delay_until=hold))
        first = await ask(cloud, data.known.name)
        await until_uploading(managed)
        await app.tick()
        second = await ask(cloud, data.known.name, BACK.upper().replace("/SUBSCRIPTIONS", "/subscriptions"))
        await until(lambda: cloud.logged(Event.RESTORE_REFUSED), "the second restore's refusal")
        new = at(managed)
        assert new
        assert new.upload in UPLOADING
        hold.set()
        assert (await ended(app, second)).state is Stage.REFUSED
        await done(app, first)

        async def both() -> bool:
            return len(cloud.events(Event.TICK_SUCCEEDED)) == 2

        await until(both, "the success of the tick that came between")
        points = await back_up(app, Managed(cloud, new), data)
        assert [point.kind for point in points] == [Kind.INCREMENTAL, Kind.INCREMENTAL]
        assert not await cloud.logged(Event.DISK_MISSING)


@pytest.mark.nightly
async def test_a_footer_that_azure_writes_itself_is_in_the_backup_too(cloud: Cloud, managed: ManagedDisks) -> None:
    managed.behaviour.rewrites_footers = True
    async with backed_up(cloud, managed) as (app, data):
        await done(app, await ask(cloud, data.known.name))
        new = at(managed)
        assert new
        restored = await content(new)
        assert restored != await data.content()
        assert restored[:-512] == (await data.content())[:-512]
        again = Managed(cloud, new)
        [first] = await again.points()
        assert await again.content_of(first) == restored
        await new.write(0, bytes(4096))
        [second] = await back_up(app, again)
        assert second.kind is Kind.INCREMENTAL
        assert await again.content_of(second) == await content(new)

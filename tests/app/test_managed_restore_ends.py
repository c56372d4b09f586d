"""How a restore as a managed disk ends that is cancelled, can't be done, or can't be compared at once."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from infra.local.local_azure import APP
from infra.local.managed_disks import ManagedDisks
from shared.events import Event
from shared.model.job import Stage
from shared.model.names import MANAGE_QUEUE
from shared.model.run import Kind
from tests.app.cloud import Cloud, until
from tests.app.managed_restoring import BACK, ask, at, backed_up, content, done, ended, hold_back, linux_disk
from tests.app.test_managed_disks import DISKS_OF_GROUP, Managed, back_up

SOON: dict[str, object] = {
    "model.retry_policy._SHORTEST_TRY_DELAY": timedelta(milliseconds=10),
    "jobs.loop.MAX_CHECK_DELAY": timedelta(seconds=1),
}
"""What is changed of the app so that what failed is tried again soon."""


async def _is_cleaned_up(managed: ManagedDisks, *, is_kept: bool) -> bool:
    """Tell whether the new disk is kept or gone, and only the disk that is backed up has a snapshot."""
    snapshots = [snapshot.source_id.rpartition("/")[2] for snapshot in managed.snapshots]
    return (at(managed) is not None) is is_kept and snapshots == ["data"]


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("operation", "left"),
    [
        ("Disks - Create Or Update", "The incomplete copy is deleted"),
        ("Disks - Grant Access", "The incomplete copy is deleted"),
        ("Disks - Revoke Access", "The incomplete copy is deleted"),
        ("Copy Blob", "was copied but not verified"),
        ("Snapshots - Create Or Update", "was copied but not verified"),
        ("Snapshots - Grant Access", "was copied but not verified"),
    ],
)
async def test_a_restore_that_is_cancelled_at_any_stage_leaves_a_whole_disk_or_none(
    cloud: Cloud, managed: ManagedDisks, operation: str, left: str
) -> None:
    async with backed_up(cloud, managed, changed=SOON) as (app, data):
        hold = asyncio.Event()
        struck = hold_back(cloud, managed, operation, hold)
        restore = await ask(cloud, data.known.name)
        await struck.wait()
        await cloud.put(MANAGE_QUEUE, json.dumps({"do": "cancel", "job": restore}))
        await until(lambda: cloud.logged(Event.RESTORE_FAILED), "the end of the restore")
        hold.set()
        found = await ended(app, restore)
        assert (found.state, left in found.reason) == (Stage.FAILED, True), found.reason
        await until(lambda: _is_cleaned_up(managed, is_kept="copied" in left), "the end of what is half made")
        kept = at(managed)
        if kept:
            assert (kept.upload, await content(kept)) == (None, await data.content())
        await done(app, await ask(cloud, data.known.name, f"{BACK}-again" if kept else BACK))


@pytest.mark.nightly
async def test_where_the_app_may_see_nothing_a_restore_is_refused_and_says_which_roles_are_missing(
    cloud: Cloud, managed: ManagedDisks
) -> None:
    async with backed_up(cloud, managed) as (app, data):
        managed.roles.clear()
        refused = await ended(app, await ask(cloud, data.known.name))
        assert refused.state is Stage.REFUSED
        assert "assign the app's identity the role Tidemark managed disk restorer" in refused.reason
        assert "and Tidemark managed disk reader" in refused.reason, "both at once"
        managed.give(APP)


@pytest.mark.nightly
async def test_a_snapshot_that_can_not_be_read_is_taken_anew_and_the_disk_is_not_uploaded_again(
    cloud: Cloud, managed: ManagedDisks
) -> None:
    async with backed_up(cloud, managed, changed=SOON) as (app, data):
        managed.behaviour.policy["networkAccessPolicy"] = "DenyAll"
        restore = await ask(cloud, data.known.name)
        await until(lambda: cloud.logged(Event.RESTORE_STEP_FAILED), "word of the snapshot")
        assert "exempt the resource group from the Azure Policy that turns it off" in cloud.log.read_text()
        managed.behaviour.policy.clear()
        found = await done(app, restore)
        assert found.attempt > 1
        new = at(managed)
        assert new
        assert new.tags["tidemark-restore"] == f"{restore}/1"
        assert await content(new) == await data.content()
        assert len(managed.snapshots) == len({snapshot.source_id for snapshot in managed.snapshots})


@pytest.mark.nightly
async def test_a_disk_that_is_restored_without_the_tags_that_choose_disks_is_backed_up_all_the_same(
    cloud: Cloud, managed: ManagedDisks
) -> None:
    data = await linux_disk(cloud, managed)
    settings: Any = managed.settings
    chosen = {"url": f"{DISKS_OF_GROUP}/*", "tags": {"team": "data"}}
    async with cloud.app(chosen, **settings) as app:
        await back_up(app, data)
        await done(app, await ask(cloud, data.known.name, managedDisk={"tags": {}}))
        await done(app, await ask(cloud, data.known.name, f"{BACK}-alike"))
        new, alike = at(managed), at(managed, f"{BACK}-alike")
        assert new
        assert alike
        assert (await Managed(cloud, new).record()).adopted
        assert not (await Managed(cloud, alike).record()).adopted
        points = await back_up(app, Managed(cloud, new), Managed(cloud, alike))
        assert [point.kind for point in points] == [Kind.INCREMENTAL, Kind.INCREMENTAL]

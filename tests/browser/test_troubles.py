"""What somebody sees of disks that need attention: what is wrong, and what to do, on one page of a running app."""

import contextlib
import json
from collections.abc import AsyncIterator

import pytest
from azure.data.tables import UpdateMode
from playwright.async_api import Browser, Locator

from infra.local.gateway import Fault
from infra.local.local_azure import LocalAzure
from shared.azure.tables.status import STATUS_PARTITION
from shared.limits import PAGE
from shared.model.disk import PageBlobDisk
from shared.model.job import JobKind, Stage
from shared.model.names import BACKUPS_TABLE
from tests.app.cloud import MIB, Cloud, Disk, pages, until
from tests.app.inspecting import Rot, inspected
from tests.browser.looking import DESK, PHONE, Look, Scheme, looking
from tests.browser.showing import Shown, showing, until_it_says

pytestmark = [pytest.mark.nightly, pytest.mark.xdist_group("browser-troubles")]

REFUSED = (403, "AuthorizationFailure", "not now")


@pytest.fixture(scope="module")
async def shown(azure: LocalAzure, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shown]:
    """Four disks: one is safe, one has a damaged recovery point, one fails, one is late."""
    async with contextlib.AsyncExitStack() as stack:
        cloud = Cloud(azure, tmp_path_factory.mktemp("troubles"), stack)
        await cloud.open()
        names = ("safe.vhd", "damaged.vhd", "failing.vhd", "late.vhd")
        disks = [await cloud.disk(2 * MIB, name=name) for name in names]
        _, damaged, failing, late = disks
        shown = await stack.enter_async_context(showing(cloud, *disks))
        rot = Rot(cloud)
        for seed, disk in enumerate(disks):
            await disk.write(0, pages(8, seed))
        await shown.app.back_up(*disks)
        rot.strike(pages(8, disks.index(damaged))[2 * PAGE :])
        assert (await inspected(cloud, JobKind.VERIFY, damaged)).state is Stage.FAILED
        await failing.write(0, pages(8, seed=9))
        cloud.azure.gateway.faults.add(Fault("Put Page From URL", failing.backup_path, refuse=REFUSED))
        await shown.app.back_up(*(disk for disk in disks if disk is not failing))
        await until(lambda: _has_failed(failing), "a run that has failed")
        await until(shown.app.idle, "the end of the tick")
        await _become_late(cloud, late)
        yield shown
        cloud.azure.gateway.faults.clear()


async def _has_failed(disk: Disk) -> bool:
    record = await disk.record()
    return record.run is not None and bool(record.run.failed)


async def _become_late(cloud: Cloud, disk: Disk) -> None:
    """Have a disk's newest recovery point be older than it may be: what would take a day is put on record."""
    table = cloud.tables.get_table_client(BACKUPS_TABLE)
    row = await table.get_entity(STATUS_PARTITION, PageBlobDisk(disk.address).key)
    row["report"] = json.dumps({**json.loads(row["report"]), "late_after_seconds": 0.001})
    await table.update_entity(row, mode=UpdateMode.MERGE)


def advice_for(look: Look, name: str) -> Locator:
    """Find what is to be done about a disk."""
    return look.page.locator(".advice > li", has=look.page.get_by_text(name, exact=True)).first


async def test_what_needs_attention_comes_first_and_the_rest_is_safe(browser: Browser, shown: Shown) -> None:
    async with looking(browser, shown.url) as look:
        said = await look.text()
        assert said.index("What to do") < said.index("Last 14 days" if "Last 14 days" in said else "State")
        rows = [await row.inner_text() for row in await look.page.locator("table.disks tbody tr").all()]
        states = {
            name: row.split()[0]
            for row in rows
            for name in ("safe", "damaged", "failing", "late")
            if f"{name}.vhd" in row
        }
        assert states == {"safe": "safe", "damaged": "safe", "failing": "failing", "late": "late"}


async def test_a_late_disk_says_since_when_and_how_to_back_it_up(browser: Browser, shown: Shown) -> None:
    async with looking(browser, shown.url) as look:
        told = await advice_for(look, "late.vhd").inner_text()
    assert "older than" in told
    assert "tidemark backup" in told


async def test_a_failing_disk_says_why_and_what_to_do(browser: Browser, shown: Shown) -> None:
    async with looking(browser, shown.url) as look:
        told = await advice_for(look, "failing.vhd").inner_text()
    assert "AuthorizationFailure (403): not now" in told
    assert "allow the function app through the account's firewall" in told
    assert "tidemark backup" in told


async def test_a_damaged_point_is_marked_where_it_stands(browser: Browser, shown: Shown) -> None:
    async with looking(browser, shown.url) as look:
        assert "damaged" in await advice_for(look, "damaged.vhd").inner_text()
        link = look.page.get_by_role("link", name="damaged.vhd").first
        url = await link.get_attribute("href")
        await look.goes_to(f"{shown.url.partition('?')[0]}{url}&refresh=off")
        newest, oldest = await look.page.locator("li.point").all()
        assert "Damage: " not in await newest.inner_text()
        assert "Damage: " in await oldest.inner_text()
        assert "bytes 0-4095" in await oldest.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
async def test_it_is_read_on_any_screen_in_any_light(
    browser: Browser, shown: Shown, width: int, scheme: Scheme
) -> None:
    async with looking(browser, shown.url, width=width, scheme=scheme) as look:
        await until_it_says(look, "failing.vhd")
        await look.require_no_sideways_scrolling()
        await look.require_accessible()

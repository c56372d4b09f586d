"""What somebody sees of backups that go well, in a browser, on the page of a running app."""

import asyncio
import re
import shlex
from dataclasses import replace
from datetime import timedelta
from functools import partial

import aiohttp
import pytest
from playwright.async_api import Browser

from infra.local.gateway import Fault
from tests.app.cloud import MIB, Cloud, pages, until
from tests.app.restoring import restores
from tests.browser.looking import DESK, PHONE, Look, Scheme, looking
from tests.browser.showing import showing, until_it_says
from tests.cli.conftest import environment_of
from tests.cli.programs import forked

HOSTILE = "<img src=x onerror=alert(1)>&quot;\u202egpj.vhd"
LONG = f"{'long-' * 180}name.vhd"
"""Nearly as long as one may be: the backup's name begins with the account and the container."""
ONE_BY_ONE = {"backup.copy_batch.REQUESTS": 1, "backup.copy_batch.SAVE_INTERVAL": timedelta()}
"""A run makes one call at a time, and puts its position on record each time."""


async def test_all_disks_are_safe_at_a_glance_at_a_desk_and_on_a_phone(browser: Browser, cloud: Cloud) -> None:
    disk, other = await cloud.disk(name="os.vhd"), await cloud.disk(name="data.vhd")
    async with showing(cloud, disk, other, rules="last=1") as shown:
        for seed in range(2):
            await disk.write(0, pages(4, seed))
            await shown.app.back_up(disk, other)
        async with looking(browser, shown.url) as look:
            said = await until_it_says(look, "All 2 disks are safe")
            assert "os.vhd" in said
            assert "data.vhd" in said
            assert await look.page.locator("tr.good").count() == 2
            assert await look.page.title() == "All 2 disks are safe - Tidemark"
            await look.require_accessible()
        async with looking(browser, shown.url, width=PHONE, scheme="dark") as look:
            assert "All 2 disks are safe" in await look.text()
            await look.require_no_sideways_scrolling()
            await look.require_accessible()
            await look.page.get_by_role("link", name="os.vhd").first.click()
            await look.page.wait_for_url("**disk=**")
            await look.goes_to(shown.url_of(disk))
            assert await look.page.get_by_role("heading", level=1).inner_text() == "os.vhd is safe"
            assert await look.page.locator("li.point").count() == 2
            await look.require_no_sideways_scrolling()
            await look.require_accessible()


async def test_a_run_moves_forward_while_somebody_looks(browser: Browser, cloud: Cloud) -> None:
    disk = await cloud.disk(16 * MIB, name="busy.vhd")
    for place in range(8):
        await disk.write(2 * place * MIB, pages(1, seed=place))
    # The first six writes and the first four go on; those after them wait until they are let go.
    later, sooner = [_held(cloud, Fault("Put Page From URL", disk.backup_path, after=after)) for after in (6, 4)]
    async with showing(cloud, disk, changed=ONE_BY_ONE) as shown:
        await shown.app.tick()
        await until(partial(_is_on_record, shown.url), "the first tick on record")
        async with looking(browser, shown.url) as look:
            first = await until(partial(_progress_after, look, 0), "a run in progress")
            sooner.set()
            second = await until(partial(_progress_after, look, first), "a run that has moved forward")
            assert second < 1
            await look.require_accessible()
            later.set()
            await until_it_says(look, "is safe")


async def _is_on_record(url: str) -> bool:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.ok


def _held(cloud: Cloud, fault: Fault) -> asyncio.Event:
    """Have requests wait until an event, which is given."""
    release = asyncio.Event()
    cloud.azure.gateway.faults.add(replace(fault, delay_until=release))
    return release


async def _progress_after(look: Look, before: float) -> float:
    """Give how much of the run is done, if that is more than before."""
    await look.page.reload()
    shown = look.page.locator("progress")
    done = float(await shown.first.get_attribute("value") or 0) if await shown.count() else 0
    return done if done > before else 0


@pytest.mark.nightly
async def test_a_restore_is_copied_from_the_page_typed_and_seen_to_its_end(browser: Browser, cloud: Cloud) -> None:
    disk = await cloud.disk(2 * MIB, name="os.vhd")
    await disk.write(0, pages(8))
    async with showing(cloud, disk) as shown:
        await shown.app.back_up(disk)
        async with looking(browser, shown.url_of(disk)) as look:
            await look.page.locator("details", has_text="Restore the disk as it was").locator("summary").first.click()
            way = look.page.locator(".way", has_text="To a new disk")
            command = await way.locator(".command", has_text="Command line").locator("code").inner_text()
            tidemark, *words = shlex.split(command)
            assert (tidemark, words[0]) == ("tidemark", "restore")
            code, out, err = await forked(words, environment_of(cloud.azure, cloud.folder), cloud.folder)
            assert code == 0, (out, err)
            await look.goes_to(shown.url)
            said = await until_it_says(look, "matches the recovery point")
            assert "Nothing is under way." in said
            row = look.page.locator("section", has=look.page.locator("#ended")).locator("tbody tr").first
            assert re.match(r"\s*done\s+restore", await row.inner_text(), re.IGNORECASE)
    [restore] = await restores(cloud)
    new = await cloud.existing_disk(restore.known_target.name, bytes(disk.expected))
    assert await cloud.read(new.blob, new.account) == disk.expected


@pytest.mark.nightly
@pytest.mark.parametrize(("width", "scheme"), [(DESK, "dark"), (PHONE, "light")])
async def test_names_that_try_to_be_more_than_names_stay_text(
    browser: Browser, cloud: Cloud, width: int, scheme: Scheme
) -> None:
    disks = [await cloud.disk(name=name) for name in (HOSTILE, LONG)]
    async with showing(cloud, f"{disks[0].url.rpartition('/')[0]}/*.vhd") as shown:
        await shown.app.back_up(*disks)
        async with looking(browser, shown.url, width=width, scheme=scheme) as look:
            await until_it_says(look, "All 2 disks are safe")
            assert await look.page.locator("img").count() == 0
            for disk in disks:
                assert await look.page.locator(f"bdi[title='{disk.url}']").count() >= 1, "the whole name, as a text"
            await look.require_no_sideways_scrolling()
            await look.require_accessible()
            for disk in disks:
                await look.goes_to(shown.url_of(disk))
                assert await look.page.locator(".full-name").inner_text() == disk.url
                assert await look.page.locator("img").count() == 0
                await look.require_no_sideways_scrolling()
                await look.require_accessible()

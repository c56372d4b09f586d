"""Probes of many requests at once: what is said of a busy source, and whether writers can be told by their ETags."""

import asyncio
from collections import Counter

from azure.core.exceptions import HttpResponseError

from shared.limits import PAGE, STORAGE_API_VERSION
from tests.conformance.real.ground import Ground, write
from tests.conformance.real.sources import said_of_source
from tests.conformance.real.verdicts import NotSettledError
from tests.conformance.real.witness import Seen

_PASSING = ("429", "500", "503")


async def a_busy_source_says_so(ground: Ground, seen: Seen) -> bool:
    """Many copies at once off one snapshot; each refusal with its status and the two headers."""
    disks, scale = ground.accounts.disks, ground.scale
    disk = await ground.make(disks, "busy.vhd", scale.copies * PAGE, scale.copies)
    snapshot = str((await disk.create_snapshot())["snapshot"])
    url = await ground.signed(disks, "busy.vhd", snapshot, STORAGE_API_VERSION)
    target = ground.blob(ground.accounts.backups, "copies.vhd")
    await target.create_page_blob(scale.copies * PAGE)

    async def copy(page: int) -> None:
        try:
            await target.upload_pages_from_url(url, page * PAGE, PAGE, page * PAGE, retry_total=0)
        except HttpResponseError as error:
            seen.note(f"page {page}: {error.status_code}")

    before = len(seen.answers)
    await asyncio.gather(*(copy(page) for page in range(scale.copies)))
    answers = [answer for answer in seen.answers[before:] if answer.operation == "Put Page From URL"]
    refused = Counter(said_of_source(answer) for answer in answers if answer.status != 201)
    seen.note(f"{len(answers)} copies at once, {sum(refused.values())} refused")
    if not refused:
        raise NotSettledError("no copy was refused: nothing was seen of what a busy source says")
    for said, count in refused.items():
        seen.note(f"{count} times: {said}")
    return all(said.startswith(_PASSING) or "ServerBusy" in said for said in refused)


async def writes_have_an_etag_each(ground: Ground, seen: Seen) -> bool:
    """Writers at once, each of pages of its own; how many answers share an ETag? One after the other: none."""
    scale = ground.scale
    blob = ground.blob(ground.accounts.disks, "writers.vhd")
    await blob.create_page_blob(scale.writers * scale.writes * PAGE)

    async def put(writer: int) -> None:
        for number in range(scale.writes):
            await write(blob, writer * scale.writes + number, b"\1")

    before = len(seen.answers)
    await asyncio.gather(*(put(writer) for writer in range(scale.writers)))
    at_once = [answer.headers.get("etag", "") for answer in seen.answers[before:] if answer.status == 201]
    seen.note(
        f"{scale.writers} writers at once: {len(at_once)} answers, {len(at_once) - len(set(at_once))} equal ETags"
    )
    before = len(seen.answers)
    for number in range(scale.writes):
        await write(blob, number, b"\2")
    in_turn = [answer.headers.get("etag", "") for answer in seen.answers[before:] if answer.status == 201]
    seen.note(f"one after the other: {len(in_turn)} answers, {len(in_turn) - len(set(in_turn))} equal ETags")
    return len(set(in_turn)) == len(in_turn)

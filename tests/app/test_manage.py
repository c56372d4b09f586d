"""Operators' intents on the queue `manage`, in the whole app."""

import base64
import json
from typing import Any

from shared.azure.tables.rows import from_properties, from_row
from shared.model.intent_row import IntentRow
from shared.model.job import Stage
from shared.model.names import BACKUPS_TABLE, MANAGE_QUEUE
from tests.app.cloud import Cloud, pages, until


async def ended(cloud: Cloud, intent: str) -> IntentRow:
    """Wait until an intent has its outcome."""
    table = cloud.tables.get_table_client(BACKUPS_TABLE)

    async def look() -> list[IntentRow]:
        rows = [found async for found in table.query_entities(f"RowKey eq 'intent-{intent}'")]
        return [row for found in rows if (row := from_row(IntentRow, from_properties(found))).has_ended]

    [row] = await until(look, f"the end of the intent {intent}")
    return row


async def test_what_operators_write_is_carried_out_once_or_refused_with_its_reason(cloud: Cloud) -> None:
    disk = await cloud.disk()
    await disk.write(0, pages(4))

    async def asked(**fields: Any) -> IntentRow:
        return await ended(cloud, await cloud.put(MANAGE_QUEUE, json.dumps(fields)))

    async with cloud.app(disk) as app:
        [first] = await app.back_up(disk)
        await disk.write(512, pages(2, seed=2))
        backup = await asked(do="backup", disk=disk.url)
        keep = json.dumps({"do": "keep", "disk": disk.url, "point": "latest", "until": "2099-12-31T00:00:00Z"})
        kept = await ended(cloud, await cloud.put(MANAGE_QUEUE, base64.b64encode(keep.encode()).decode()))
        refused = await asked(do="keep", disk=disk.url, point="latest", untill="2099-12-31T00:00:00Z")
        listed = await asked(do="orphans")
        none = await asked(do="cancel", job="none")
        await until(app.idle, "the end of all")
        points = await disk.points()
        assert await disk.content_of(points[-1]) == disk.expected
    assert [point.time for point in points] == [first.time, backup.point]
    assert (backup.state, kept.state, kept.point) == (Stage.DONE, Stage.DONE, backup.point)
    assert [(point.kept, f"{point.kept_until}"[:4]) for point in points] == [(False, "None"), (True, "2099")]
    assert (refused.state, none.state) == (Stage.REFUSED, Stage.REFUSED)
    assert 'unknown field "untill"; did you mean "until"?' in refused.reason
    assert listed.outcome == "there are no orphans."

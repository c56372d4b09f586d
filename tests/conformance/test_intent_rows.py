"""The rows of intents are kept alike in memory and in Azurite's tables."""

from datetime import UTC, datetime

import pytest

from shared.azure.tables.records import RecordConflictError
from shared.model.intent_row import IntentRow
from shared.model.job import Stage
from tests.conformance.clouds import Cloud

NOON = datetime(2026, 11, 22, 12, 0, 0, 123456, UTC)


@pytest.mark.parametrize("names_a_disk", [True, False])
async def test_an_intent_has_one_row_and_one_outcome(cloud: Cloud, *, names_a_disk: bool) -> None:
    disk, intents = cloud.named("disk.vhd") if names_a_disk else None, cloud.services.intents
    row = IntentRow.of(f"i{names_a_disk}", NOON, do="keep", disk=disk, request='{"do": "keep"}')
    assert await intents.add(row)
    assert not await intents.add(row)
    assert row in await intents.open()
    assert row in await intents.of(disk)
    found = await intents.find(disk, row.row_key)
    assert found is not None
    assert found[0] == row
    done = row.done("it is kept", NOON)
    assert await intents.update(disk, row.row_key, lambda _: done) == done
    with pytest.raises(RecordConflictError):
        await intents.put(row.refuse("late", NOON), found[1])
    assert await intents.update(disk, row.row_key, lambda current: current.refuse("late", NOON)) is None
    found = await intents.find(disk, row.row_key)
    assert found is not None
    assert found[0].state is Stage.DONE
    assert row.row_key not in [kept.row_key for kept in await intents.open()]

"""What the docs say that is billed follows from what there is."""

import json
from datetime import timedelta

from shared.azure.queues import QUEUES
from tests.docs.documents import table_row
from tests.infra.tree import ROOT


def test_looking_into_all_queues_is_told() -> None:
    polling = json.loads((ROOT / "host.json").read_text())["extensions"]["queues"]["maxPollingInterval"]
    hours, minutes, seconds = map(int, polling.split(":"))
    interval = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    told = table_row("looking into the queues")
    assert f"{2 * len(QUEUES)} queues ({len(QUEUES)}, each with its poison queue)" in told
    assert f"every {interval.seconds} seconds" in told
    a_day = 2 * len(QUEUES) * (timedelta(days=1) // interval)
    assert f"{round(a_day, -4):,} requests a day, {a_day * 30 / 1e6:.1f} million a month" in told


def test_what_soft_delete_keeps_is_told_of_what_tidemark_throws_away_itself() -> None:
    told = table_row("what soft delete keeps")
    assert told.startswith("at the price of live data")
    assert "Of what Tidemark throws away itself" in told
    assert "source snapshot of each run" in told

"""What the program says of the backups of a running app."""

import asyncio
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from infra.local.local_azure import BACKUPS
from shared.azure.tables.status import STATUS_PARTITION
from shared.limits import PAGE
from shared.model.names import BACKUPS_TABLE
from shared.model.report import DiskReport, unreadable
from shared.model.schema import with_schema
from shared.model.sizes import DIFF_ROW_PREFIX
from tests.app.cloud import until
from tests.cli.conftest import WIDE, Scene
from tests.cli.schema import read

FAR = datetime(2099, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.xdist_group("cli-looking")


async def test_disks_that_are_backed_up_are_safe(scene: Scene) -> None:
    async def looked() -> bool:
        return "succeeded" in (await scene.types("status")).out

    await until(looked, "the end of the tick")
    done = await scene.runs("status")
    assert (done.code, done.err) == (0, "")
    assert all(len(line) <= WIDE for line in done.lines)
    [row] = [line for line in done.lines if line.startswith("os.vhd")]
    assert row.split()[1] == "safe"
    assert "succeeded (2 disks)" in done.out
    assert "CET" in done.out or "CEST" in done.out


async def test_the_page_is_written_to_a_file_beside_what_is_printed(scene: Scene, tmp_path: Path) -> None:
    async def safe() -> bool:
        return (await scene.types("status")).code == 0

    await until(safe, "the end of the tick")
    whole, one = tmp_path / "all.html", tmp_path / "one.html"
    done = await scene.types("status", "--html", str(whole))
    assert (done.code, done.err) == (0, "")
    assert "os.vhd" in done.out
    page = whole.read_text(encoding="utf-8")
    assert '<h1 id="verdict">All 2 disks are safe</h1>' in page
    assert page.count('class="timeline"') == 2
    assert 'href="?' not in page
    assert "http-equiv" not in page
    assert (await scene.types("status", "OS.v", "--html", str(one))).code == 0
    points = one.read_text(encoding="utf-8")
    assert all(f'<time datetime="{point.time}">' in points for point in scene.points)
    assert "az storage message put --account-name" in points
    refused = await scene.types("status", "--html", str(tmp_path))
    assert refused.code == 1
    assert "can't be written" in refused.err


async def test_one_disk_is_shown_in_full_by_a_part_of_its_name(scene: Scene) -> None:
    done = await scene.types("status", "OS.v")
    assert done.code == 0
    assert scene.os.url in done.out.replace("\n", "").replace(" ", "")
    assert scene.points[-1].time in done.out
    assert "my%20data" not in done.out


async def test_a_part_that_both_disks_have_lists_them_and_sends_nothing(scene: Scene) -> None:
    done = await scene.types("status", "vhd", "--json")
    assert done.code == 2
    assert done.err.count("http://") == 2
    assert "several disks" in read(done.json, 2)


async def test_json_has_the_fields_that_it_is_said_to_have(scene: Scene) -> None:
    typed = ("status", "check", "metrics", "points os", "jobs --all")
    found = await asyncio.gather(*(scene.types(*words.split(), "--json") for words in typed))
    assert [done.json["command"] for done in found] == [words.split(maxsplit=1)[0] for words in typed]
    for done in found:
        read(done.json, 0)


async def test_check_says_in_one_line_that_all_is_well(scene: Scene) -> None:
    done = await scene.types("check")
    assert done.code == 0
    assert len(done.lines) == 1
    assert done.out.startswith("TIDEMARK OK: 2 disks without trouble, last tick 20")


async def test_metrics_are_read_by_prometheus(scene: Scene) -> None:
    done = await scene.types("metrics")
    samples = [line for line in done.lines if not line.startswith("#")]
    assert "tidemark_attention 0" in samples
    assert any(
        line.startswith("tidemark_disk_state{") and 'state="safe"' in line and line.endswith(" 1") for line in samples
    )
    assert all(len(line.rpartition(" ")[0]) and float(line.rpartition(" ")[2]) >= 0 for line in samples)
    [age] = [line for line in samples if "good_point_age" in line and 'blob="os.vhd"' in line]
    assert 0 < float(age.rpartition(" ")[2]) < 3600


async def test_the_points_of_a_disk_are_listed_newest_first(scene: Scene) -> None:
    done = await scene.types("points", "os", "--json")
    assert [point["time"] for point in done.data["points"]] == [point.time for point in reversed(scene.points)]
    assert [point["kind"] for point in done.data["points"]] == ["incremental", "full"]
    shown = await scene.types("points", "os")
    assert all(len(line) <= WIDE for line in shown.lines if not line.startswith("http"))
    assert [line.split()[3] for line in shown.lines if " sealed " in line] == ["incremental", "full"]


async def test_what_the_backups_cost_is_counted_without_a_row(scene: Scene) -> None:
    done = await scene.reads("costs", "os", "--json")
    [cost] = read(done.json, 0).disks
    written = 4 * PAGE
    assert (cost.held.at_least, cost.held.at_most) == (2 * written, 2 * written)
    assert (cost.newest.at_most, cost.older.at_most, cost.older_points) == (0, written, 1)
    assert (cost.source_snapshots, cost.source.at_most, cost.source_problem) == (1, 0, "")
    assert cost.choices[0].of_the_app
    assert await counted_diffs(scene) == []
    shown = await scene.reads("costs", "--rules", "last=6")
    assert [line.split()[:2] for line in shown.lines if ".vhd" in line] == [["my", "data.vhd"], ["os.vhd", "2"]]


async def test_what_has_happened_is_told_from_the_rows_since_a_time(scene: Scene) -> None:
    done = await scene.types("events", "--json")
    found = read(done.json, 0)
    points = [event.id for event in found.events if event.kind == "point" and event.disk == scene.os.url]
    assert points == [point.time for point in reversed(scene.points)]
    assert [event.outcome for event in found.events if event.kind == "tick"] == ["succeeded"]
    assert found.attention == []
    assert [event.at for event in found.events] == sorted((event.at for event in found.events), reverse=True)
    one = read((await scene.types("events", "my data", "--json")).json, 0)
    assert {event.disk for event in one.events} == {scene.data.url}
    later = await scene.types("events", "--since", "2099-01-01")
    assert (later.code, later.out[:13]) == (0, "nothing since")
    wrong = await scene.types("events", "--since", "soon")
    assert (wrong.code, "is not a time" in wrong.err) == (2, True)


async def test_a_row_that_somebody_edited_so_that_it_names_no_disk_is_told_and_keeps_no_command_from_its_work(
    scene: Scene,
) -> None:
    table, key = scene.cloud.tables.get_table_client(BACKUPS_TABLE), "account|container|typo.vhd"
    told = TypeAdapter(DiskReport).dump_json(unreadable(key, "it names no disk", datetime.now(UTC))).decode()
    row = {"PartitionKey": STATUS_PARTITION, "RowKey": key, **with_schema({"report": told})}
    await table.create_entity(row)
    try:
        commands = ("status", "check", "metrics", "jobs", "events", "costs", f"job {scene.points[0].time[:22]}")
        found = [await scene.reads(*words.split(), "--json") for words in commands]
        assert [read(done.json, done.code) and done.code for done in found] == [1, 1, 0, 0, 0, 0, 0]
        assert key in (await scene.types("check")).out
        assert key in (await scene.types("status")).out
    finally:
        await table.delete_entity(STATUS_PARTITION, key)


async def test_rows_of_another_time_are_not_sent(scene: Scene) -> None:
    table = scene.cloud.tables.get_table_client(BACKUPS_TABLE)
    rows = [row async for row in table.query_entities("Timestamp ge @since", parameters={"since": FAR})]
    assert rows == []


async def counted_diffs(scene: Scene) -> list[object]:
    rows = scene.cloud.tables.get_table_client(BACKUPS_TABLE).query_entities(
        f"RowKey ge '{DIFF_ROW_PREFIX}' and RowKey lt '{DIFF_ROW_PREFIX}~'"
    )
    return [row async for row in rows]


async def test_costs_need_a_reader_of_the_backups_and_rules_that_are_some(scene: Scene) -> None:
    done = await scene.types("costs", "os", TIDEMARK_CONNECTIONS="no JSON")
    assert (done.code, "must be a JSON array" in done.err) == (2, True)
    done = await scene.reads("costs", "os", "--rules", "newest=1")
    assert (done.code, "newest=1 is none" in done.err) == (2, True)
    done = await scene.types("costs", "os")
    assert (done.code, "What to do: set TIDEMARK_CONNECTIONS" in done.err) == (2, True)
    unreadable = f'["{scene.cloud.azure.connection_string(BACKUPS).replace(BACKUPS.key, "c2VjcmV0")}"]'
    done = await scene.types("costs", "os", "--json", TIDEMARK_CONNECTIONS=unreadable)
    assert "'Storage Blob Data Reader' on the backup account" in read(done.json, 3)


async def test_prices_are_kept_when_another_app_is_chosen(scene: Scene, tmp_path: Path) -> None:
    file = tmp_path / "cli.json"
    file.write_text('{"prices": {"backup_gib_month": 1000000}}')
    config = {"TIDEMARK_CONFIG": str(file)}
    assert (await scene.types("use", "--storage", "tidemarkapp", **config)).code == 0
    assert json.loads(file.read_text())["prices"] == {"backup_gib_month": 1000000}
    file.write_text('{"prices": {"backup_gib_month": "free"}}')
    done = await scene.reads("costs", "os", **config)
    assert (done.code, "backup_gib_month must be a number" in done.err) == (2, True)


async def test_nothing_under_way_is_said_so_and_an_unknown_job_is_a_mistake(scene: Scene) -> None:
    assert (await scene.types("jobs")).out == "nothing is under way\n"
    assert (await scene.types("jobs", "--all")).out != "nothing is under way\n"
    done = await scene.types("job", "0123abcd")
    assert done.code == 2
    assert "no job begins with 0123abcd. What to do: " in done.err


async def test_a_backup_run_is_found_by_its_time(scene: Scene) -> None:
    done = await scene.types("job", scene.points[0].time[:22], "--json")
    [job] = read(done.json, 0).jobs
    assert (job.kind, job.state, job.point) == ("backup", "done", scene.points[0].time)


async def test_the_account_is_remembered_and_a_secret_is_not_taken(scene: Scene, tmp_path: Path) -> None:
    config = {"TIDEMARK_CONFIG": str(tmp_path / "a" / "cli.json"), "TIDEMARK_STORAGE": ""}
    assert (await scene.types("status", **config)).code == 2
    done = await scene.types("use", "--storage", "tidemarkapp", "--json", **config)
    assert read(done.json, 0).storage == "tidemarkapp"
    before = (tmp_path / "a" / "cli.json").read_text()
    refused = await scene.types("use", "--storage", scene.environment["TIDEMARK_STORAGE"], **config)
    assert refused.code == 2
    assert (tmp_path / "a" / "cli.json").read_text() == before == '{"version": 1, "storage": "tidemarkapp"}\n'


@pytest.mark.parametrize(
    ("program", "prints", "options"),
    [
        ("azd", 'OTHER="x"\nTIDEMARK_HOST_STORAGE="tidemarkapp"', ("--azd",)),
        ("az", '["tidemarkapp"]', ("--app", "APP", "--group", "GROUP")),
    ],
)
async def test_the_account_is_found_by_the_tools_that_know_it(
    scene: Scene, tmp_path: Path, program: str, prints: str, options: tuple[str, ...]
) -> None:
    tool = tmp_path / program
    tool.write_text(f"#!/bin/sh\necho '{prints}'\n")
    tool.chmod(0o755)
    found = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}", "TIDEMARK_CONFIG": str(tmp_path / "cli.json")}
    done = await scene.types("use", *options, **found)
    assert done.code == 0, done.err
    assert "storage account tidemarkapp" in done.out.replace("\n", " ")
    tool.write_text("#!/bin/sh\necho 'AccountKey=c2VjcmV0' >&2; exit 1\n")
    refused = await scene.types("use", *options, **found)
    assert refused.code == 3
    assert "c2VjcmV0" not in refused.err


async def test_a_storage_that_is_no_apps_or_can_not_be_reached_is_exit_code_3(scene: Scene) -> None:
    connection = scene.environment["TIDEMARK_STORAGE"]
    away = re.sub(r"TableEndpoint=http://127.0.0.1:\d+", "TableEndpoint=http://127.0.0.1:1", connection)
    done = await scene.types("status", TIDEMARK_STORAGE=away)
    assert done.code == 3
    assert "can't be reached" in done.err
    done = await scene.types("check", TIDEMARK_STORAGE=away)
    assert (done.code, len(done.lines), done.err) == (3, 1, ""), "a monitor shows one line, of what is printed"
    assert re.match("TIDEMARK UNKNOWN: .* can't be reached", done.out)


async def test_watching_looks_again_and_has_an_end(scene: Scene) -> None:
    done = await scene.types("status", "--watch", "--timeout", "1s")
    assert done.code == 0
    assert done.out.count("last tick") == 2
    assert (await scene.types("status", "--watch", "--json")).code == 2

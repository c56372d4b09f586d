"""No line of the log holds a secret, at any level, whoever has written it; and each step of a backup is an event."""

import json
import re

import pytest

from infra.local.gateway import Fault
from infra.local.local_azure import ACCOUNTS
from shared.changes.pace import DOCUMENTED
from shared.events import Event
from shared.jobs.stage_events import STAGE_EVENTS
from shared.model.job import JobKind, Stage
from tests.app.cloud import MIB, Cloud, pages, until
from tests.app.inspecting import ask_for, has_ended
from tests.app.restoring import ask, ended, request

SECRET = "4f5e0f2a-7c1b"
SIGNATURE = re.compile(r"(?i)(?<![a-z])sig(=|%3d)(?!REDACTED\b|\*\*\*)[^\s&\"']+")
TOKEN = re.compile(r"\beyJ[\w-]{10,}|(?i:\b(bearer|sharedkey(lite)?) +(?!\*\*\*)[\w.:/+=-]{8,})")


def secrets_in(text: str) -> list[str]:
    """Find whatever is a secret, or looks like one: keys, signatures, tokens, the heartbeat's path."""
    known = [*(account.key for account in ACCOUNTS), SECRET]
    found = [match[0] for pattern in (SIGNATURE, TOKEN) for match in pattern.finditer(text)]
    return [secret for secret in known if secret in text] + found


@pytest.mark.parametrize(
    "secret",
    [
        ACCOUNTS[0].key,
        "https://a.blob/c/b?snapshot=1&sig=Zm9v%3D",
        "https%3A%2F%2Fa.blob%2Fc%2Fb%3Fsp%3Dr%26sig%3DZm9v",
        "'Authorization': 'Bearer abcdefgh12'",
        "SharedKey account:Zm9vYmFy=",
        "eyJhbGciOiJSUzI1NiJ9.e30.c2ln",
        f"http://127.0.0.1/{SECRET}",
    ],
)
def test_a_secret_would_be_found(secret: str) -> None:
    assert secrets_in(f"a line with {secret} in it")


async def test_the_log_of_a_whole_life_holds_no_secret_at_any_level(cloud: Cloud) -> None:
    disk = await cloud.disk()
    await disk.write(0, pages(4))
    faults = cloud.azure.gateway.faults
    async with cloud.app(
        disk, log_everything=True, HEARTBEAT_URL=f"http://127.0.0.1:9/{SECRET}", RUN_STALLED_AFTER_SECONDS="30"
    ) as app:
        await app.back_up(disk)
        faults.add(Fault("Put Page From URL", disk.backup_path, times=1, refuse=(403, "CannotVerifyCopySource", "no")))
        faults.add(Fault("Get Page Ranges", disk.path, times=1, cut="before"))
        await disk.write(1024, pages(2, seed=2))
        await app.back_up(disk)
        assert (await ended(cloud, await ask(cloud, request(disk)))).reason == ""
        drill = await ask_for(cloud, JobKind.DRILL, json.dumps({"disk": disk.url}))
        await has_ended(cloud, JobKind.DRILL, drill)
    log = cloud.log.read_text()
    assert " DEBUG " in log
    assert "azure.core.pipeline.policies.http_logging_policy" in log, "the SDK says what it asks for"
    assert secrets_in(log) == []


@pytest.mark.nightly
async def test_each_step_of_a_backup_a_verify_and_a_drill_is_an_event_with_what_it_is_of_and_how_long_it_took(
    cloud: Cloud,
) -> None:
    disk = await cloud.disk()
    await disk.write(0, pages(4))
    compared = (Stage.COMPARING, Stage.ENDING, Stage.DONE)
    stages = {JobKind.VERIFY: compared, JobKind.DRILL: (Stage.PROMOTING, *compared)}
    async with cloud.app(disk) as app:
        [point] = await app.back_up(disk)
        for task in stages:
            await has_ended(cloud, task, await ask_for(cloud, task, json.dumps({"disk": disk.url})))
        await until(app.idle, "the last event")
    of_the_run = {"disk": disk.url, "run": point.source_snapshot}
    counts = {"ranges": 1, "bytes_written": 2048, "bytes_cleared": 0, "write_calls": 1, "clear_calls": 0}
    says: dict[Event, dict[str, object]] = {
        Event.SNAPSHOTS_TAKEN: {"disks": 1, "snapshots": 1},
        Event.RUN_OPENED: {**of_the_run, "size": len(disk.expected)},
        Event.RUN_KIND: {**of_the_run, "kind": "full"},
        Event.BATCH_DONE: {**of_the_run, "batch": 0, "position": MIB, "size": MIB, "rate": DOCUMENTED, **counts},
        Event.RUN_SEALED: {**of_the_run, "kind": "full", **counts},
    }
    for event, fields in says.items():
        [said] = cloud.events(event)
        assert fields.items() <= said.items(), event
    timed = (Event.SNAPSHOTS_TAKEN, Event.BATCH_DONE, Event.RUN_SEALED)
    assert all(cloud.events(event)[0]["duration_seconds"] > 0 for event in timed)
    for task, come_to in stages.items():
        found = [cloud.events(STAGE_EVENTS[task, stage]) for stage in (Stage.REQUESTED, *come_to)]
        assert [len(said) for said in found] == [1] * len(found)
        assert {said[0]["disk"] for said in found} == {disk.url}
        took = [said[0]["duration_seconds"] for said in found[1:]]
        assert took == sorted(took)
        assert took[-1] > 0
        assert found[-1][0]["recovery_point"] == point.time

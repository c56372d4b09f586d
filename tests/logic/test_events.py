"""The log events: each is documented with its level, named where it is logged, and logged at its own level."""

import ast
import json
import logging
import re

import pytest

from infra.local.local_azure import ROOT
from shared.events import Event, log_event
from shared.jobs.stage_events import STAGE_EVENTS
from shared.model.job import ENDS, JobKind, Stage
from tests.docs.documents import PAGES


@pytest.fixture(scope="module")
def nodes() -> list[ast.AST]:
    """The syntax of all of the app."""
    paths = [ROOT / "function_app.py", *(ROOT / "shared").rglob("*.py")]
    return [node for path in paths for node in ast.walk(ast.parse(path.read_text()))]


def documented() -> list[tuple[str, str]]:
    """Read the table of the docs: each event, with its level."""
    text = "\n\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    table = text.partition("| events | level | when |\n")[2].partition("\n\n")[0]
    rows = [row.strip("| ").split(" | ") for row in table.splitlines()[1:]]
    return [(event, row[1]) for row in rows for event in re.findall("`([a-z-]+)`", row[0])]


def test_every_event_is_in_the_docs_once_with_its_level() -> None:
    assert sorted(documented()) == sorted((event, logging.getLevelName(event.level).lower()) for event in Event)


def test_an_event_is_named_where_it_is_logged(nodes: list[ast.AST]) -> None:
    named = {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute) and node.attr.isupper()}
    assert {f"Event.{event.name}" for event in Event} - named == set(), "grep finds an event by its name"


def test_no_event_is_built_from_parts_of_names(nodes: list[ast.AST]) -> None:
    assert [
        ast.unparse(node) for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == "Event"
    ] == []


@pytest.mark.parametrize("event", [Event.RUN_SEALED, Event.BACKUP_LATE, Event.RUN_FAILED])
def test_an_event_is_logged_at_its_level(event: Event, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        log_event(event, disk="https://disks.blob.core.windows.net/vhds/os.vhd")
    [said] = caplog.records
    assert said.levelno == event.level
    assert json.loads(said.message) == {"event": event, "disk": "https://disks.blob.core.windows.net/vhds/os.vhd"}


def test_whatever_a_service_responds_an_event_is_short_enough_to_stay_json(caplog: pytest.LogCaptureFixture) -> None:
    log_event(Event.RUN_FAILED, reason="<p>Bad gateway</p>" * 10_000, cause="What to do: wait." * 10_000)
    [said] = caplog.records
    assert len(said.message) < 32 * 1024, "Application Insights cuts off what is longer"
    assert json.loads(said.message)["reason"].startswith("<p>Bad gateway</p>")


@pytest.mark.parametrize(
    ("kind", "stages"),
    [
        (JobKind.RESTORE, {Stage.SAVING, Stage.PROMOTING, Stage.COPYING, Stage.PROVING, Stage.EXPIRING}),
        (JobKind.VERIFY, {Stage.COMPARING}),
        (JobKind.DRILL, {Stage.PROMOTING, Stage.COMPARING}),
    ],
)
def test_each_stage_that_a_job_reaches_is_an_event(kind: JobKind, stages: set[Stage]) -> None:
    comes_to = {Stage.REQUESTED, *stages, Stage.ENDING, *ENDS}
    assert {stage: event for (of, stage), event in STAGE_EVENTS.items() if of is kind} == {
        stage: f"{kind}-{stage}" for stage in comes_to
    }

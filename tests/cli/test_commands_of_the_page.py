"""Each command that the page gives to copy is one that the command line reads as it stands."""

import shlex
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.model.disk import Disk
from shared.model.point import PointState
from shared.model.report import Flag, State, report_at
from shared.page.advice import for_information, what_to_do
from shared.page.restore_ways import ways
from tests.docs.read_by_tidemark import read_by_tidemark
from tests.logic.page_samples import APP, NOW, told, url
from tests.logic.records import MANAGED
from tests.logic.retention_points import point_at

NAMES = [url("o's $(disk) of `x`.vhd"), f"{MANAGED}#{'1' * 8}-1111-1111-1111-{'1' * 12}"]


def mistakes(commands: list[str]) -> dict[str, str]:
    assert commands
    read = {command: shlex.split(command) for command in commands}
    assert {words[0] for words in read.values()} == {"tidemark"}
    said = {command: read_by_tidemark(words[1:]) for command, words in read.items()}
    return {command: mistake for command, mistake in said.items() if mistake}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("state", State)
def test_what_to_do_about_a_disk_in_any_state_and_with_any_flag(name: str, state: State) -> None:
    disk = replace(told("os.vhd", state, flags=dict.fromkeys(Flag, "a reason")), disk=name)
    report = report_at(NOW, APP, [disk])
    found = [command.text for advice in (*what_to_do(report), *for_information(report)) for command in advice.commands]
    assert mistakes(found) == {}


def test_what_to_do_about_the_app() -> None:
    stopped = report_at(NOW + timedelta(days=30), APP, [])
    found = [command.text for advice in what_to_do(stopped) for command in advice.commands]
    assert mistakes(found) == {}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("state", [PointState.SEALED, PointState.DAMAGED])
def test_each_way_to_restore(name: str, state: PointState) -> None:
    found = ways(Disk.parse(name), point_at(NOW, state=state), "stdisks")
    assert mistakes([way.tidemark for way in found]) == {}

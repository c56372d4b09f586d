"""The settings of the retention: nothing is deleted unless somebody says what to keep, and that the rest may go."""

import json
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.disk import Disk
from shared.model.retention import read_rules, rules_in_zone
from shared.model.retention_rules import EXAMPLE, Rules
from shared.retention_settings import RetentionMode
from tests.logic.conftest import DISK, VHDS, Load, Mistakes
from tests.logic.retention_points import ZONES, rules


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_nothing_is_deleted_unless_it_is_asked_for(load: Load, nothing: str | None) -> None:
    settings = load(RETENTION=nothing, RETENTION_MODE=nothing, RETENTION_ZONE=nothing)
    assert (settings.retention, settings.retention_mode, settings.retention_zone.key) == (None, "off", "UTC")
    assert settings.retention_of(Disk.parse(DISK)) is None
    assert load(RETENTION=EXAMPLE, RETENTION_MODE=nothing).retention_mode is RetentionMode.OFF


@pytest.mark.parametrize("mode", list(RetentionMode))
def test_the_retention_is_read(load: Load, mode: RetentionMode) -> None:
    settings = load(RETENTION=EXAMPLE, RETENTION_MODE=f" {mode.upper()} ", RETENTION_ZONE="Europe/Berlin")
    assert settings.retention_of(Disk.parse(DISK)) == Rules.parse(EXAMPLE)
    assert (settings.retention_mode, settings.retention_zone.key) == (mode, "Europe/Berlin")


def test_a_disk_has_the_rules_of_its_own_url_or_of_its_pattern_or_those_of_all(load: Load) -> None:
    disks = [
        {"url": f"{VHDS}/db*", "retention": "last=9"},
        {"url": f"{VHDS}/db1.vhd", "retention": "last=30"},
        f"{VHDS}/db2.vhd",
        f"{VHDS}/os.vhd",
    ]
    settings = load(SOURCE_DISKS=json.dumps(disks), RETENTION="last=6")
    kept = [settings.retention_of(Disk.parse(f"{VHDS}/{name}.vhd")) for name in ("db0", "db1", "db2", "os", "restored")]
    assert [rules.last for rules in kept if rules] == [9, 30, 6, 6, 6]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"RETENTION": "30d"}, "- RETENTION: must consist of rules last, hourly,"),
        ({"RETENTION": "damaged=30d"}, "- RETENTION: must keep something"),
        ({"RETENTION": "last=0"}, "- RETENTION: must have a number from 1 to 9999"),
        (
            {"RETENTION_MODE": "on"},
            "- RETENTION_MODE: can't be on without RETENTION: set that to what to keep, such as",
        ),
        ({"RETENTION_MODE": "Report", "RETENTION": " "}, "- RETENTION_MODE: can't be report without RETENTION"),
        ({"RETENTION_MODE": "true"}, "- RETENTION_MODE: "),
        ({"RETENTION_ZONE": "CEST"}, "- RETENTION_ZONE: must be the name of a time zone, such as Europe/Berlin"),
        ({"RETENTION_ZONE": "../etc/passwd"}, "- RETENTION_ZONE: must be the name of a time zone"),
        ({"RETENTION_ZONE": "Europe"}, "- RETENTION_ZONE: must be the name of a time zone"),
        ({"RETENTION": "last=0", "RETENTION_MODE": "on"}, "- RETENTION: must have a number"),
    ],
)
def test_a_mistake_in_the_retention_is_named_with_what_to_do(
    mistakes: Mistakes, settings: dict[str, str | None], line: str
) -> None:
    (found,) = mistakes(settings)
    assert found.startswith(line)


@pytest.mark.parametrize(
    ("disk", "line"),
    [
        ({"url": DISK, "retention": ""}, "- SOURCE_DISKS [0.retention]: must not be empty; leave it out"),
        ({"url": DISK, "retention": "last=x"}, "- SOURCE_DISKS [0.retention]: must have a number from 1 to 9999"),
        ({"url": DISK, "retention": None}, "- SOURCE_DISKS [0.retention]: "),
        ({"url": DISK, "retention": "last=6", "exclude": True}, "- SOURCE_DISKS [0]: can't have a retention"),
    ],
)
def test_a_mistake_in_the_retention_of_a_disk_is_named_with_its_place(
    mistakes: Mistakes, disk: dict[str, object], line: str
) -> None:
    (found,) = mistakes(SOURCE_DISKS=json.dumps([disk, f"{VHDS}/another.vhd"]))
    assert found.startswith(line)


@given(rules(), st.sampled_from(ZONES))
def test_rules_that_are_written_with_their_zone_are_read_again(wanted: Rules, zone: ZoneInfo) -> None:
    assert read_rules(rules_in_zone(wanted, zone)) == (wanted, zone)


@pytest.mark.parametrize("text", ["", "last=1 (Nowhere)", "last=1 (../x)", "first=1 (UTC)"])
def test_what_are_no_rules_with_a_zone_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|is no time zone"):
        read_rules(text)

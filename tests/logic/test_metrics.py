"""The metrics, as Prometheus reads them."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from shared.model.report import AppReport, DiskReport, Report, State, report_at
from shared.page.metrics import metrics_of
from shared.version import VERSION
from tests.logic.page_samples import APP, GIB, HOUR, NOON, NOW, every_state, told, url


def samples(report: Report) -> dict[str, list[Sample]]:
    found = list(text_string_to_metric_families(metrics_of(report)))
    assert len({family.name for family in found}) == len(found), "a name comes once"
    assert all(family.type == "gauge" and family.documentation for family in found)
    return {family.name: family.samples for family in found}


def report(*disks: DiskReport, app: AppReport = APP) -> Report:
    return report_at(NOW, app, disks)


def value(samples: Iterable[Sample], **labels: str) -> float:
    [found] = [sample.value for sample in samples if labels.items() <= sample.labels.items()]
    return float(found)


def test_each_disk_is_in_one_state() -> None:
    whole = every_state().told.report
    found = samples(whole)
    for disk in whole.disks:
        states = [one for one in found["tidemark_disk_state"] if one.labels["disk"] == disk.disk]
        assert {one.labels["state"] for one in states} == {str(state) for state in State}
        assert [one.labels["state"] for one in states if one.value] == [str(disk.state)]
        assert value(found["tidemark_disk_attention"], disk=disk.disk) == disk.needs_attention


def test_a_disk_has_its_point_its_size_and_when_it_is_late() -> None:
    found, disk = samples(report(told("os.vhd", damaged_points=2))), url("os.vhd")
    assert value(found["tidemark_disk_good_point_age_seconds"], disk=disk) == (NOW - NOON).total_seconds()
    assert value(found["tidemark_disk_good_point_timestamp_seconds"], disk=disk) == NOON.timestamp()
    assert value(found["tidemark_disk_late_timestamp_seconds"], disk=disk) == (NOON + 18 * HOUR).timestamp()
    assert value(found["tidemark_disk_last_success_timestamp_seconds"], disk=disk) == NOON.timestamp() + 240
    assert value(found["tidemark_disk_size_bytes"], disk=disk) == 128 * GIB
    assert value(found["tidemark_disk_damaged_points"], disk=disk) == 2
    labels = found["tidemark_disk_size_bytes"][0].labels
    assert labels == {"disk": disk, "account": "production", "container": "vhds", "blob": "os.vhd"}


def test_what_is_not_known_has_no_sample() -> None:
    new = told("new.vhd", State.NEW, good_point="", last_success=None, first_tick=None, size=0)
    found = samples(report(new, app=AppReport()))
    assert found["tidemark_disk_good_point_age_seconds"] == []
    assert found["tidemark_disk_late_timestamp_seconds"] == []
    assert found["tidemark_disk_last_success_timestamp_seconds"] == []
    assert found["tidemark_next_tick_timestamp_seconds"] == []
    assert found["tidemark_disk_size_bytes"] == [], "a disk that no run has looked at is not of 0 bytes"


@pytest.mark.parametrize("result", ["pending", "succeeded", "incomplete", "failed"])
def test_the_app_has_its_ticks_and_its_release(result: str) -> None:
    found = samples(report(told("os.vhd"), app=replace(APP, tick_result=result)))
    times: dict[str, datetime | None] = {"last_tick": NOON, "last_success": NOON, "next_tick": APP.next_tick}
    for name, at in times.items():
        assert at
        assert value(found[f"tidemark_{name}_timestamp_seconds"]) == at.timestamp()
    assert [one.labels["result"] for one in found["tidemark_tick_result"] if one.value] == [result]
    assert found["tidemark_build_info"][0].labels == {"version": VERSION}
    assert value(found["tidemark_up"]) == 1


@given(st.text(min_size=1))
def test_a_name_is_read_as_it_is(name: str) -> None:
    if "\r" in name:
        return  # the parser of the client takes it for the end of a line, as of any text
    found = samples(report(replace(told("x"), disk=name)))
    assert {one.labels["disk"] for one in found["tidemark_disk_size_bytes"]} == {name}

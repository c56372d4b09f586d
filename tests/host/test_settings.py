"""What the host reads: host.json, local.settings.json, %SETTING%, schedules."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from infra.local.host.schedule import parse_schedule
from infra.local.host.settings import StartError, add_local_settings, expand, read_queue_options
from tests.host.sample import write_host_file


def test_an_empty_host_file_gives_the_defaults_of_azure(tmp_path: Path) -> None:
    write_host_file(tmp_path)
    options = read_queue_options(tmp_path, {})
    assert (options.batch_size, options.refill_at, options.max_dequeue_count) == (16, 8, 5)
    assert (options.visibility_timeout, options.max_polling_interval) == (timedelta(0), timedelta(minutes=1))
    assert options.message_encoding == "base64"


def test_every_queue_option_is_read(tmp_path: Path) -> None:
    write_host_file(
        tmp_path,
        batchSize=8,
        newBatchThreshold=0,
        maxDequeueCount=3,
        visibilityTimeout="1.00:00:05",
        maxPollingInterval="00:00:02",
        messageEncoding="None",
    )
    options = read_queue_options(tmp_path, {})
    assert (options.batch_size, options.refill_at, options.max_dequeue_count) == (8, 0, 3)
    assert options.visibility_timeout == timedelta(days=1, seconds=5)
    assert options.max_polling_interval == timedelta(seconds=2)
    assert options.message_encoding == "none"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("batchSize", 33),
        ("batchSize", "16"),
        ("newBatchThreshold", -1),
        ("maxDequeueCount", 0),
        ("maxDequeueCount", 2.5),
        ("visibilityTimeout", 30),
        ("visibilityTimeout", "30"),
        ("visibilityTimeout", "24:00:00"),
        ("maxPollingInterval", "00:00:00"),
        ("messageEncoding", "hex"),
        ("batchsize", 16),
    ],
)
def test_a_wrong_queue_option_is_named_with_its_value(tmp_path: Path, option: str, value: object) -> None:
    write_host_file(tmp_path, **{option: value})
    with pytest.raises(StartError) as error:
        read_queue_options(tmp_path, {})
    assert f"extensions.queues.{option}: " in str(error.value)
    assert repr(value) in str(error.value)


def test_an_app_setting_overrides_a_queue_option_of_the_host_file(tmp_path: Path) -> None:
    write_host_file(tmp_path, batchSize=8, visibilityTimeout="00:00:30")
    prefix = "AzureFunctionsJobHost__extensions__queues__"
    options = read_queue_options(tmp_path, {f"{prefix}visibilityTimeout": "00:00:00", f"{prefix}maxDequeueCount": "2"})
    assert (options.batch_size, options.max_dequeue_count, options.visibility_timeout) == (8, 2, timedelta(0))


def test_a_wrong_app_setting_for_a_queue_option_is_named(tmp_path: Path) -> None:
    write_host_file(tmp_path)
    name = "AzureFunctionsJobHost__extensions__queues__batchSize"
    with pytest.raises(StartError, match=name):
        read_queue_options(tmp_path, {name: "many"})


def test_a_host_file_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "1.0"}')
    with pytest.raises(StartError, match=r"version: Input should be '2\.0' \(it is '1\.0'\)"):
        read_queue_options(tmp_path, {})


def test_local_settings_are_added_where_nothing_is_set(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text(json.dumps({"IsEncrypted": False, "Values": {"A": "1", "B": "2"}}))
    environment = {"A": "set"}
    add_local_settings(tmp_path, environment)
    assert environment == {"A": "set", "B": "2"}


@pytest.mark.parametrize("content", [{"IsEncrypted": True, "Values": {}}, {"Values": {"A": 1}}])
def test_local_settings_that_can_not_be_read_are_refused(tmp_path: Path, content: object) -> None:
    (tmp_path / "local.settings.json").write_text(json.dumps(content))
    with pytest.raises(StartError, match=r"local\.settings\.json"):
        add_local_settings(tmp_path, {})


def test_settings_are_put_in_wherever_they_stand() -> None:
    assert expand("a-%X%-%Y%", {"X": "1", "Y": "2"}, "queueName of f") == "a-1-2"


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        ("0 0 */12 * * *", datetime(2026, 11, 22, 12, tzinfo=UTC)),
        ("*/5 * * * * *", datetime(2026, 11, 22, 11, 59, 5, tzinfo=UTC)),
        ("0 30 9-17 * * MON-FRI", datetime(2026, 11, 23, 9, 30, tzinfo=UTC)),
        ("0 0 0 1 * Mon", datetime(2027, 2, 1, tzinfo=UTC)),
        ("00:00:30", datetime(2026, 11, 22, 11, 59, 30, tzinfo=UTC)),
    ],
)
def test_a_schedule_is_due_when_azure_would_run_it(schedule: str, due: datetime) -> None:
    assert parse_schedule(schedule).after(datetime(2026, 11, 22, 11, 59, tzinfo=UTC)) == due


@pytest.mark.parametrize(
    "schedule", ["", "* * * * *", "0 0 0 1 1 * 2027", "@daily", "0 0 0 L * *", "0 61 * * * *", "00:00:00", "nonsense"]
)
def test_what_is_no_schedule_in_azure_is_refused(schedule: str) -> None:
    with pytest.raises(ValueError, match=r"expected|NCRONTAB"):
        parse_schedule(schedule)

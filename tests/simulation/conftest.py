"""What scenes share that look at the log."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, Any]]]:
    """Give the events of some names that were logged so far."""
    caplog.set_level(logging.INFO, "tidemark")
    monkeypatch.setattr(logging.getLogger("tidemark"), "disabled", False)

    def events(*names: str) -> list[dict[str, Any]]:
        found = [json.loads(record.message) for record in caplog.records if record.name == "tidemark"]
        return [event for event in found if event["event"] in names]

    return events

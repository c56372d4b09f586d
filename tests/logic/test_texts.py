"""Texts for people: sizes in binary units, and free texts truncated so that a row can always be written."""

from dataclasses import replace
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.azure.tables.rows import to_row
from shared.model.inspection import Inspection
from shared.model.record import DiskRecord
from shared.model.restore import Restore
from shared.model.texts import MAX_CHARACTERS, Text, human_size, truncated
from tests.logic.records import BACKED_UP, INSPECTION, RESTORE, with_run

MOST_IN_A_PROPERTY = 32 * 1024
LONG = "What is wrong. " + "quoted " * MOST_IN_A_PROPERTY + "What to do: nothing."


@given(st.text(max_size=MAX_CHARACTERS))
def test_a_short_text_is_unchanged(text: str) -> None:
    assert truncated(text) == text


def test_a_long_text_keeps_its_beginning_and_its_end() -> None:
    assert len(truncated(LONG)) <= MAX_CHARACTERS
    assert truncated(LONG).startswith("What is wrong.")
    assert truncated(LONG).endswith("What to do: nothing.")


@pytest.mark.parametrize("row", [BACKED_UP, RESTORE, INSPECTION])
def test_no_free_text_makes_a_row_unwritable(row: DiskRecord | Restore | Inspection) -> None:
    texts = [name for name, kind in get_type_hints(type(row), include_extras=True).items() if kind == Text]
    assert "last_error" in texts
    long: dict[str, Any] = dict.fromkeys(texts, LONG)
    written = to_row(replace(row, **long))
    assert {len(written[name]) for name in texts} <= set(range(MAX_CHARACTERS + 1))


def test_the_texts_of_an_open_run_are_truncated_as_well() -> None:
    written = to_row(with_run(BACKED_UP, reason=LONG, copying=LONG, failed=LONG))
    assert max(len(written[name]) for name in ("run_reason", "run_copying", "run_failed")) <= MAX_CHARACTERS


@pytest.mark.parametrize(
    ("length", "size"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (742_400, "725 KiB"),
        (20_251_648, "19.3 MiB"),
        (64 * 1024**2 + 512, "64 MiB"),
        (1024**3 - 1, "1024 MiB"),
        (4095 * 1024**3, "4095 GiB"),
    ],
)
def test_a_size_is_shown_in_the_largest_unit_that_fits(length: int, size: str) -> None:
    assert human_size(length) == size

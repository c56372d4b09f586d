"""A free text is cut where it is written, so that a row can always be written, whatever its texts quote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from shared.model.texts import MOST_CHARACTERS, cut
from tests.logic.records import BACKED_UP, INSPECTION, RESTORE

MOST_IN_A_PROPERTY = 32 * 1024
LONG = "What is wrong. " + "quoted " * MOST_IN_A_PROPERTY + "What to do: nothing."


@given(st.text(max_size=MOST_CHARACTERS))
def test_a_text_that_is_short_enough_is_left_as_it_is(text: str) -> None:
    assert cut(text) == text


def test_a_text_that_is_too_long_keeps_its_beginning_and_its_end() -> None:
    assert len(cut(LONG)) <= MOST_CHARACTERS
    assert cut(LONG).startswith("What is wrong.")
    assert cut(LONG).endswith("What to do: nothing.")


@pytest.mark.parametrize("row", [BACKED_UP, RESTORE, INSPECTION])
def test_no_free_text_makes_a_row_that_can_not_be_written(row: BaseModel) -> None:
    texts = [name for name, field in type(row).model_fields.items() if field.metadata]
    assert "last_error" in texts
    written = row.model_copy(update=dict.fromkeys(texts, LONG)).model_dump()
    assert {len(written[name]) for name in texts} <= set(range(MOST_CHARACTERS + 1))


def test_the_texts_of_an_open_run_are_cut_as_well() -> None:
    written = BACKED_UP.with_run(reason=LONG, copying=LONG, failed=LONG).to_entity()
    assert max(len(written[name]) for name in ("run_reason", "run_copying", "run_failed")) <= MOST_CHARACTERS

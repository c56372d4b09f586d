"""Intents as operators write them: read as they are meant, or refused without repeating what may be secret."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.intent_row import IntentRow
from shared.model.intents import INTENTS, MAX_NOTE, BackupIntent, KeepIntent, read_intent
from shared.model.job import Stage
from shared.model.requests import RequestError

DISK = "https://disks.blob.core.windows.net/vhds/os.vhd"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TIMES = st.sampled_from(["latest", "2026-11-22T12:00:00Z", "2026-11-22T13:00:00.1234567+01:00"])
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "disk": st.just(DISK),
    "point": TIMES,
    "until": st.just("2099-12-31T00:00:00Z"),
    "note": st.text(max_size=MAX_NOTE + 20),
    "keep": st.booleans(),
    "keepPoints": st.booleans(),
    "approve": st.just("3f2a9c0d1e5b7a64"),
    "plan": st.just("3f2a9c0d1e5b7a64"),
    "job": st.just("5f2c1e7a-9b0d-4c38-8a61-2d4e6f708192"),
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just(DISK),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["do", *FIELDS]), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def written(draw: st.DrawFn) -> dict[str, Any]:
    """Make an intent with all that it must have, and some of what it may have."""
    verb = draw(st.sampled_from(sorted(INTENTS)))
    fields = {field.alias or name: field for name, field in INTENTS[verb].model_fields.items() if name != "do"}
    chosen = [name for name, field in fields.items() if field.is_required() or draw(st.booleans())]
    made = {name: draw(FIELDS[name]) for name in chosen}
    more = {"point": "2026-11-22T12:00:00Z"} if verb == "forget" else {}
    return {"do": verb, **made, **more, **({"keep": True} if verb == "backup" and "note" in made else {})}


@given(written())
def test_an_intent_is_the_same_in_base64_and_when_it_is_carried_on_with(fields: dict[str, Any]) -> None:
    body = json.dumps(fields).encode()
    intent = read_intent(body)
    assert read_intent(base64.b64encode(body)) == intent
    assert read_intent(intent.request.encode()) == intent
    assert read_intent(intent.request.encode()).request == intent.request


@given(ANYTHING | st.dictionaries(st.sampled_from(["do", *FIELDS]), ANYTHING | st.sampled_from(sorted(INTENTS))))
def test_whatever_is_written_is_an_intent_or_refused_with_what_is_expected(value: object) -> None:
    said = ""
    try:
        said = read_intent(json.dumps(value).encode()).do
    except RequestError as error:
        said = str(error)
    is_intent = isinstance(value, dict) and value.get("do") == said
    assert is_intent or "Expected: " in said


@given(written(), st.sampled_from(["other", "Disk", "force", "yes"]))
def test_a_field_that_an_intent_does_not_have_is_refused(fields: dict[str, Any], unknown: str) -> None:
    with pytest.raises(RequestError, match="unknown field"):
        read_intent(json.dumps({**fields, unknown: True}).encode())


@given(st.text(), st.sampled_from([{"do": "keep", "point": "latest"}, {"do": "backup", "keep": True}]))
def test_a_note_is_short_and_on_one_line(note: str, fields: dict[str, Any]) -> None:
    intent = read_intent(json.dumps({**fields, "disk": DISK, "note": note}).encode())
    assert isinstance(intent, KeepIntent | BackupIntent)
    assert len(intent.note) <= MAX_NOTE
    assert "\n" not in intent.note


def test_a_note_has_no_secret() -> None:
    note = "see https://a.blob.core.windows.net/b/c?sv=2025-11-05&sig=c2VjcmV0%3D"
    intent = read_intent(json.dumps({"do": "keep", "disk": DISK, "point": "latest", "note": note}).encode())
    assert "c2VjcmV0" not in intent.request


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"do": "orphans", "approve": ""}, "approve: must be a hash"),
        ({"do": "approve", "plan": "all"}, "plan: must be a hash"),
        ({"do": "approve"}, "plan is missing"),
        ({"do": "cancel", "job": "2026-11-22T12:00:00.1234567Z"}, "a run can't be cancelled"),
        ({"do": "keep", "disk": DISK, "point": "latest", "until": "2099-12-31T00:00:00"}, "add Z for UTC"),
        ({"do": "keep", "disk": DISK, "point": "latest", "until": 4102358400}, "until: must be a string"),
        ({"do": "keep", "disk": f"{DISK}?sig=c2VjcmV0", "point": "latest"}, "no SAS"),
        ({"do": "backup", "disk": DISK, "keep": 1}, "keep: must be true or false"),
        ({"do": "backup", "disk": DISK, "note": "why"}, "note is set but keep is not true"),
        ({"do": "retire", "disk": DISK, "keep_points": True}, 'did you mean "keepPoints"?'),
        ({"do": "forget", "disk": DISK, "point": "latest"}, "point: must be the time of the recovery point to delete"),
        ({"do": ["keep"]}, "do: unknown verb"),
        ({"do": "sig=c2VjcmV0"}, "do: unknown verb"),
    ],
)
def test_what_is_wrong_with_an_intent_is_said(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(RequestError) as refused:
        read_intent(json.dumps(fields).encode())
    assert reason in str(refused.value)
    assert "c2VjcmV0" not in str(refused.value)


def test_an_intent_that_waits_is_not_given_up_and_one_that_fails_is_after_a_day() -> None:
    row = IntentRow.of("i", NOON, do="backup")
    failing = row.with_error("nobody answers", NOON)
    assert not row.waits("waits for a run", NOON + timedelta(days=9)).should_give_up(NOON + timedelta(days=9))
    assert not failing.with_error("nobody answers", NOON + timedelta(hours=23)).should_give_up(
        NOON + timedelta(hours=23)
    )
    assert failing.with_error("nobody answers", NOON + timedelta(days=1)).should_give_up(NOON + timedelta(days=1))
    assert failing.waits("waits for a run", NOON).trouble_since is None


@pytest.mark.parametrize("end", [IntentRow.refuse, IntentRow.fail])
def test_what_ends_without_an_outcome_says_what_to_do(end: Any) -> None:
    row = end(IntentRow.of("i", NOON), "it is not so", NOON)
    assert row.state in {Stage.REFUSED, Stage.FAILED}
    assert row.ended == NOON
    assert "What to do: " in row.reason
    assert end(IntentRow.of("i", NOON), "no. What to do: wait", NOON).reason == "no. What to do: wait"

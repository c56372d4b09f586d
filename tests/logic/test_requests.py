"""Requests: read in every form in which people send them; others get a short refusal that says what is wrong."""

import base64
import contextlib
import json
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model.requests import InspectionRequest, Request, RequestError, RestoreRequest

DISK = "https://disks.blob.core.windows.net/vhds/vm%201/os.vhd"
TARGET = "https://disks.blob.core.windows.net/vhds/restored.vhd"
POINT = "2026-11-22T12:00:00.1234567Z"
ASKED = {"disk": DISK, "point": POINT}
BOM = b"\xef\xbb\xbf"
FIELDS = ("disk", "point", "target", "overwrite", "replaceOther", "undo", "adopt", "expires", "allowDamaged")
KIB = 1024
MOST_SAID = 1000


def body(request: object) -> bytes:
    return json.dumps(request).encode()


def refusal(sent: bytes, kind: type[Request] = RestoreRequest) -> str:
    """Give the refusal of a message: a short line, fit for a log."""
    with pytest.raises(RequestError) as refused:
        kind.read(sent)
    said = str(refused.value)
    assert 0 < len(said) <= MOST_SAID
    assert "S3CRET" not in said
    return said


# --- what is read


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(body(ASKED), id="plain"),
        pytest.param(b" \r\n" + body(ASKED) + b"\n", id="plain, with white space"),
        pytest.param(BOM + body(ASKED), id="plain, with a byte order mark"),
        pytest.param(json.dumps(ASKED, indent=2).encode(), id="plain, on many lines"),
        pytest.param(base64.b64encode(body(ASKED)), id="base64"),
        pytest.param(base64.b64encode(body(ASKED)) + b"\r\n", id="base64, with a line's end"),
        pytest.param(base64.b64encode(BOM + body(ASKED)), id="base64 of a byte order mark"),
        pytest.param(BOM + base64.b64encode(body(ASKED)), id="base64 after a byte order mark"),
        pytest.param(base64.b64encode(b"\n " + body(ASKED) + b" \n"), id="base64 of white space"),
    ],
)
def test_a_request_is_plain_json_or_base64_of_it(sent: bytes) -> None:
    assert RestoreRequest.read(sent) == RestoreRequest(disk=DISK, point=POINT, target=None, overwrite=False)


def test_a_request_may_name_a_target_to_overwrite() -> None:
    asked = {"disk": DISK, "point": "latest", "target": TARGET, "overwrite": TARGET.rpartition("/")[2]}
    defaults = {
        "managed_disk": None,
        "replace_other": False,
        "undo": True,
        "adopt": True,
        "expires": None,
        "allow_damaged": False,
    }
    assert RestoreRequest.read(body(asked)).model_dump() == {**asked, **defaults}


@pytest.mark.parametrize("allowed", [True, False])
def test_a_request_may_allow_a_damaged_recovery_point(allowed: bool) -> None:
    assert RestoreRequest.read(body({**ASKED, "allowDamaged": allowed})).allow_damaged is allowed


def test_a_damaged_recovery_point_is_not_allowed_unless_the_request_says_so() -> None:
    assert RestoreRequest.read(body(ASKED)).allow_damaged is False


@pytest.mark.parametrize("latest", ["latest", "Latest", " LATEST\n"])
def test_the_latest_point_is_asked_for_in_any_case(latest: str) -> None:
    assert RestoreRequest.read(body({**ASKED, "point": latest})).point == "latest"


def test_a_time_as_azure_prints_it_names_exactly_that_point() -> None:
    next_point = POINT.replace("4567Z", "4568Z")
    assert RestoreRequest.read(body(ASKED)).point == POINT
    assert RestoreRequest.read(body({**ASKED, "point": next_point})).point == next_point


def test_a_time_in_another_zone_is_converted_to_utc() -> None:
    assert RestoreRequest.read(body({**ASKED, "point": "2026-11-22T13:00:00.1234567+01:00"})).point == POINT


def test_a_null_target_is_no_target() -> None:
    assert RestoreRequest.read(body({**ASKED, "target": None})).target is None


@pytest.mark.parametrize("typed", [f" {DISK}\n", DISK.replace("%20", " "), DISK.replace("disks.blob", "Disks.BLOB")])
def test_a_disk_is_the_one_on_record_however_it_is_spelled(typed: str) -> None:
    request = RestoreRequest.read(body({**ASKED, "disk": typed, "target": typed}))
    assert (str(request.disk), str(request.target)) == (DISK, DISK)


def test_both_address_styles_are_read() -> None:
    local = "http://127.0.0.1:10000/devstoreaccount1/vhds/os.vhd"
    assert RestoreRequest.read(body({**ASKED, "disk": local})).disk.name == local


def test_a_star_in_a_request_is_an_ordinary_character() -> None:
    star = DISK.replace("os", "os*")
    asked = RestoreRequest.read(body({**ASKED, "disk": star, "target": star}))
    assert (str(asked.disk), str(asked.target)) == (star, star)
    assert InspectionRequest.read(body({"disk": star})).disk.name == star


@pytest.mark.parametrize(
    ("written", "point"),
    [
        ("2026-11-22T12:00:00Z", "2026-11-22T12:00:00Z"),
        ("2026-11-22T13:00:00.4+01:00", "2026-11-22T12:00:00.4Z"),
        ("2026-11-22T12:00:00.12345678Z", "2026-11-22T12:00:00.1234567Z"),
    ],
)
@pytest.mark.parametrize("kind", [RestoreRequest, InspectionRequest])
def test_a_time_is_as_exact_as_it_is_written(kind: type[Request], written: str, point: str) -> None:
    assert kind.read(body({"disk": DISK, "point": written})).point == point


# --- what is refused


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"targt": TARGET}, r'unknown field "targt"; did you mean "target"\? Ex', id="a field misspelt"),
        pytest.param({"Disk": DISK}, r'unknown field "Disk"; did you mean "disk"\? Expected: {', id="in another case"),
        pytest.param({"colour": "red"}, 'unknown field "colour". Expected: {', id="a field like no other"),
        pytest.param({"overwrite": 1}, "overwrite: must be the name of the blob to be written over", id="one"),
        pytest.param({"overwrite": None}, "overwrite: must be the name of the blob", id="overwrite null"),
        pytest.param({"overwrite": True}, "^overwrite is set but target is missing", id="overwrite what"),
        pytest.param({"overwrite": "", "target": None}, "^overwrite is set but target is", id="overwrite nothing"),
        pytest.param({"expires": "7d"}, "^expires is set but adopt is not false", id="a disk in backup that expires"),
        pytest.param({"adopt": False, "expires": ""}, "expires: is not an RFC 3339 time", id="expires never"),
        pytest.param({"adopt": False, "expires": "0d"}, "nor a duration such as 12h, 7d or 2w", id="expires at once"),
        pytest.param({"adopt": False, "expires": "2026-02-30"}, "expires: is not a date and time", id="expires on 30"),
        pytest.param(
            {"adopt": False, "target": TARGET, "overwrite": TARGET}, "^adopt is false and overwrite is set", id="trial"
        ),
        pytest.param({"point": "2026-02-30"}, "point: is not a date and time that exists", id="no such date"),
        pytest.param({"allowDamaged": "true"}, "allowDamaged: must be true or false", id="damaged as text"),
        pytest.param({"allowDamaged": 1}, "allowDamaged: must be true or false", id="damaged as a number"),
        pytest.param({"allowDamaged": None}, "allowDamaged: must be true or false", id="damaged null"),
        pytest.param({"allow_damaged": True}, 'did you mean "allowDamaged"', id="damaged with an underscore"),
        pytest.param({"allowdamaged": True}, 'did you mean "allowDamaged"', id="damaged in lower case"),
        pytest.param({"target": ""}, "target: the value must start with https://", id="an empty target"),
        pytest.param({"target": [TARGET]}, "target: must be a string", id="a list of targets"),
        pytest.param(
            {"target": "restored.vhd"}, "target: the value must start with https://", id="a target that is a name"
        ),
        pytest.param({"target": TARGET.rpartition("/")[0]}, "target: .*URL of a blob", id="a container"),
        pytest.param({"disk": None}, "disk: must be a string", id="no disk"),
        pytest.param({"disk": 7}, "disk: must be a string", id="a disk that is a number"),
        pytest.param({"disk": "os.vhd"}, "disk: the value must start with https://", id="a disk that is a name"),
        pytest.param({"disk": f"{DISK}?snapshot={POINT}"}, "disk: .*no snapshot", id="a snapshot"),
        pytest.param({"point": None}, "point: must be a string", id="no point"),
        pytest.param({"point": 1790000000}, "point: must be a string", id="a time as a number"),
        pytest.param({"point": ""}, "point: is not an RFC 3339 time", id="an empty time"),
        pytest.param({"point": "yesterday"}, "point: is not an RFC 3339 time", id="a time in words"),
        pytest.param(
            {"point": "2026-11-22T12:00:00"}, "point: has no time zone; add Z for UTC", id="a time without a zone"
        ),
        pytest.param({"point": "2026-11-31T12:00:00Z"}, "point: is not a date and time that exists", id="no such day"),
    ],
)
def test_a_mistake_is_named_with_its_field(changes: dict[str, object], said: str) -> None:
    answer = refusal(body({**ASKED, **changes}))
    assert re.search(said, answer)
    assert answer.endswith(' "expires": "7d" or a time (optional), "allowDamaged": false}')


@pytest.mark.parametrize("field", ["disk", "point"])
def test_a_missing_field_is_named(field: str) -> None:
    assert f"{field} is missing" in refusal(body({name: value for name, value in ASKED.items() if name != field}))


def test_all_mistakes_are_named_at_once() -> None:
    said = refusal(body({"point": "noon", "target": "x", "overwrite": 0, "size": 1}))
    assert [part.partition(" ")[0] for part in said.split("; ")[:2]] == ["disk", "point:"]
    assert all(
        part in said
        for part in (
            "disk is missing",
            "point: ",
            "target: ",
            "overwrite: must be the name of the blob to be written over, or false",
            'unknown field "size"',
        )
    )


def test_a_misspelled_field_is_not_reported_as_missing_too() -> None:
    said = refusal(body({"Disk": DISK, "point": "latest"}))
    assert said.startswith('unknown field "Disk"; did you mean "disk"? Expected: {"disk": URL')


@pytest.mark.parametrize("sent", [b"", b" ", BOM, b"{", b"latest", b"{'disk': 1}", b"\xff\xfe\x00"])
def test_invalid_json_is_refused_with_the_expected_form(sent: bytes) -> None:
    for form in (sent, base64.b64encode(sent)):
        assert refusal(form).startswith('the message is not valid JSON. Expected: {"disk": URL')


@pytest.mark.parametrize("request_", [[], [ASKED], "latest", DISK])
def test_json_that_is_not_an_object_is_refused(request_: object) -> None:
    assert refusal(body(request_)).startswith("the message must be a JSON object. Expected: {")


def test_an_object_with_nothing_in_it_is_refused() -> None:
    assert refusal(b"{}").startswith("disk is missing; point is missing. Expected: {")


# --- a verify, a drill


@pytest.mark.parametrize("point", [{}, {"point": "latest"}, {"point": " Latest"}])
def test_the_latest_point_is_inspected_unless_another_is_asked_for(point: dict[str, str]) -> None:
    asked = body({"disk": DISK, **point})
    for sent in (asked, base64.b64encode(asked), BOM + asked):
        assert InspectionRequest.read(sent) == InspectionRequest(disk=DISK, point="latest")


def test_a_point_is_inspected_by_its_exact_time() -> None:
    assert InspectionRequest.read(body(ASKED)).point == POINT
    assert InspectionRequest.read(body({**ASKED, "point": "2026-11-22T13:00:00.1234567+01:00"})).point == POINT


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        pytest.param({}, "disk is missing.", id="no disk"),
        pytest.param({"disk": "os.vhd"}, "disk: the value must start with https://", id="a disk that is a name"),
        pytest.param({"disk": DISK.replace("vhds", "*")}, "may have * only in the blob's name", id="any container"),
        pytest.param({"disk": DISK, "point": None}, "point: must be a string", id="no point"),
        pytest.param({"disk": DISK, "point": ""}, "point: is not an RFC 3339 time", id="an empty time"),
        pytest.param({"disk": DISK, "target": TARGET}, 'unknown field "target"', id="a target"),
        pytest.param({"disk": DISK, "overwrite": False}, 'unknown field "overwrite"', id="what is to be written over"),
        pytest.param({"disk": DISK, "allowDamaged": True}, 'unknown field "allowDamaged"', id="a damaged point"),
    ],
)
def test_an_inspection_request_names_a_disk_and_a_point_and_no_more(asked: dict[str, object], said: str) -> None:
    answer = refusal(body(asked), InspectionRequest)
    assert said in answer
    assert answer.endswith('. Expected: {"disk": URL, "point": "latest" or a time (optional)}')


# --- no secret is repeated


@pytest.mark.parametrize("field", ["disk", "target"])
@pytest.mark.parametrize(
    "url",
    [
        f"{DISK}?sv=2025-11-05&sr=b&sp=r&sig=S3CRET%3D",
        f"{DISK}?S3CRET",
        f"{DISK}#S3CRET",
        "https://disks:S3CRET@disks.blob.core.windows.net/vhds/os.vhd",
        "https://disks.blob.core.windows.net/vhds?sv=2025-11-05&sig=S3CRET",
        "https://disks.blob.core.windows.net/vhds%3Fsig%3DS3CRET",
        "DefaultEndpointsProtocol=https;AccountName=disks;AccountKey=S3CRET==",
        "AccountKey=S3CRET://x",
        "S3CRET",
    ],
)
def test_a_url_with_a_secret_is_refused_and_the_secret_is_not_repeated(field: str, url: str) -> None:
    assert f"{field}: " in refusal(body({**ASKED, field: url}))


def test_the_value_of_an_unknown_field_is_not_repeated() -> None:
    assert 'unknown field "sas"' in refusal(body({**ASKED, "sas": "?sig=S3CRET"}))
    assert "unknown field." in refusal(body({**ASKED, "sig=S3CRET": ""}))
    assert "unknown field." in refusal(body({**ASKED, f"{DISK}?sig=S3CRET": ""}))


@pytest.mark.parametrize("field", FIELDS)
def test_a_value_of_the_wrong_type_is_not_repeated(field: str) -> None:
    assert f"{field}: " in refusal(body({**ASKED, field: {"sig": "S3CRET"}}))
    assert f"{field}: " in refusal(body({**ASKED, field: ["S3CRET"]}))


def test_an_invalid_time_is_not_repeated() -> None:
    assert "point: " in refusal(body({**ASKED, "point": "S3CRET"}))


# --- noise of 64 KiB, the largest message


@given(st.integers(0, 2**32))
def test_noise_gets_a_short_refusal(seed: int) -> None:
    noise = random.Random(seed).randbytes(64 * KIB)
    for sent in (noise, base64.b64encode(noise), b"{" + noise, b'{"disk": "' + noise + b'"}'):
        refusal(sent[: 64 * KIB])


@pytest.mark.parametrize("noise", [b"\x00", b"{", b"A", b"=", b'"', b"\xef\xbb\xbf"])
def test_one_repeated_character_gets_a_short_refusal(noise: bytes) -> None:
    refusal(noise * (64 * KIB // len(noise)))


@given(st.text(min_size=1, max_size=50), st.sampled_from(["", " ", "https://", "https://a/"]))
def test_noise_in_any_field_gets_a_short_refusal(some_noise: str, before: str) -> None:
    noise = before + some_noise * (16 * KIB // len(some_noise))
    refusal(noise.encode())
    refusal(body({**ASKED, noise: 1}))
    for field in ("point", "allowDamaged", "replaceOther", "undo", "adopt", "expires"):
        refusal(body({**ASKED, field: noise}))
    refusal(body({**ASKED, "target": TARGET, "overwrite": noise}))
    for field in ("disk", "target"):
        refusal(body({**ASKED, field: f"{before}?{noise}"}))


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.dictionaries(st.text(), inner))
)
def test_any_json_is_a_request_or_is_refused_as_one(value: object) -> None:
    fields = FIELDS
    for request in (value, *({**ASKED, field: value} for field in fields)):
        for kind in (RestoreRequest, InspectionRequest):
            with contextlib.suppress(RequestError):
                assert isinstance(kind.read(body(request)), kind)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b'{"disk":' + b"[" * 60 * KIB, id="lists without an end"),
        pytest.param(b'{"disk":' + b"[" * 30 * KIB + b"]" * 30 * KIB + b"}", id="lists in lists"),
        pytest.param(b'{"a":' * 10 * KIB + b"1" + b"}" * 10 * KIB, id="objects in objects"),
        pytest.param(b'{"overwrite":' + b"1" * 60 * KIB + b"}", id="a number of 60,000 digits"),
        pytest.param(b'{"overwrite":1e' + b"9" * 60 * KIB + b"}", id="a number beyond all numbers"),
        pytest.param(body({**ASKED, "k" * 60 * KIB: 1}), id="a key of 60 KiB"),
        pytest.param(body({**ASKED, **{f"k{number}": 1 for number in range(5000)}}), id="thousands of keys"),
        pytest.param(b'{"disk": "\\ud800", "point": "latest"}', id="half a character"),
        pytest.param(body({**ASKED, "disk": "https://" + "x" * 60 * KIB}), id="a host of 60 KiB"),
    ],
)
def test_json_made_to_break_a_parser_gets_a_short_refusal(sent: bytes) -> None:
    refusal(sent)


def test_a_key_that_is_noise_is_not_repeated() -> None:
    assert "kkk" not in refusal(body({**ASKED, "k" * 1000: 1}))
    assert "\n" not in refusal(body({**ASKED, "two\nlines": 1}))

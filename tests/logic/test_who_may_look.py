"""Who may look at the status page: by group, by key, or nobody."""

import base64
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import azure.functions as func
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.show_status import show_status_blueprint
from shared.azure.services import Services
from shared.page.answer import Answered
from shared.page.serve import serve
from shared.page.who_may_look import PRINCIPAL, Refusal, refusal
from shared.page_settings import PageSettings, StatusPage
from tests.logic.conftest import Load

GROUP = "6f4b3f0e-1a59-4f4c-9a53-1f1f6e3f7a10"
OTHER_GROUP = "11111111-2222-3333-4444-555555555555"


def principal(*claims: tuple[str, Any], by: str | None = "aad") -> dict[str, str]:
    """Give the header that the platform sets for somebody with these claims."""
    told = {"auth_typ": by, "claims": [{"typ": name, "val": value} for name, value in claims]}
    return {PRINCIPAL: base64.b64encode(json.dumps(told).encode()).decode()}


MEMBER = principal(("name", "A member"), ("groups", OTHER_GROUP), ("groups", GROUP))


def asked(
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    *,
    page: StatusPage = StatusPage.ENTRA,
    group: str = GROUP,
    is_auth_on: bool = True,
) -> Refusal | None:
    return refusal(page, group=group, is_auth_on=is_auth_on, headers=headers or {}, query=query or {})


def why(refused: Refusal | None) -> tuple[int, str]:
    assert refused is not None
    return refused.status, refused.message


# --- by group


def test_a_member_of_the_group_may_look() -> None:
    assert asked(MEMBER) is None
    assert asked({name.upper(): value for name, value in MEMBER.items()}) is None
    assert asked(principal(("groups", GROUP.upper()))) is None


def test_a_member_may_not_look_unless_the_authentication_is_on() -> None:
    status, message = why(asked(MEMBER, is_auth_on=False))
    assert status == 403
    assert "App Service Authentication is off" in message


def test_whoever_is_not_in_the_group_is_told_what_to_do() -> None:
    for claims in ([], [("groups", OTHER_GROUP)], [("roles", GROUP)], [("groups", f"{GROUP} ")], [("groups", None)]):
        status, message = why(asked(principal(*claims)))
        assert status == 403
        assert "not in the group of STATUS_PAGE_GROUP. What to do:" in message


@pytest.mark.parametrize("claim", [("hasgroups", "true"), ("_claim_names", '{"groups":"src1"}')])
def test_whoever_is_in_too_many_groups_is_told_so(claim: tuple[str, str]) -> None:
    status, message = why(asked(principal(claim)))
    assert status == 403
    assert "in more groups than a sign-in lists. What to do:" in message


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {PRINCIPAL: ""},
        {PRINCIPAL: "no base64"},
        {PRINCIPAL: base64.b64encode(b"no JSON").decode()},
        {PRINCIPAL: base64.b64encode(b"[]").decode()},
        {PRINCIPAL: base64.b64encode(b'{"auth_typ": "aad", "claims": 1}').decode()},
        {PRINCIPAL: base64.b64encode(b"[" * 100_000).decode()},
        principal(("groups", GROUP), by="google"),
        principal(("groups", GROUP), by=None),
        {**MEMBER, PRINCIPAL.title(): principal(("groups", OTHER_GROUP))[PRINCIPAL]},
        {"x-ms-client-principal-id": GROUP, "x-ms-client-principal-name": "A member"},
    ],
)
def test_whoever_is_not_signed_in_by_entra_is_refused(headers: dict[str, str]) -> None:
    status, message = why(asked(headers))
    assert status == 403
    assert message.startswith("Nobody is signed in with Microsoft Entra ID. What to do:")


def test_without_a_group_nobody_may_look() -> None:
    assert why(asked(MEMBER, group=""))[0] == 403
    assert why(asked(principal(("groups", "")), group=""))[0] == 403


# --- by key


def test_whoever_gave_the_key_in_the_header_may_look() -> None:
    assert asked({"x-functions-key": "key"}, {"disk": "a"}, page=StatusPage.KEY, is_auth_on=False) is None


@pytest.mark.parametrize("page", [StatusPage.KEY, StatusPage.ENTRA])
@pytest.mark.parametrize("name", ["code", "CODE", "Code"])
def test_a_key_in_the_url_is_refused_and_not_repeated(page: StatusPage, name: str) -> None:
    status, message = why(asked(MEMBER, {name: "S3CRET"}, page=page))
    assert status == 400
    assert "x-functions-key" in message
    assert "S3CRET" not in message


# --- whatever is sent

HEADERS = st.dictionaries(st.sampled_from([PRINCIPAL, PRINCIPAL.upper(), "authorization", "cookie"]), st.text()) | (
    st.just(MEMBER)
)
QUERY = st.dictionaries(st.text(), st.text())


@given(HEADERS, QUERY, st.text())
def test_no_request_is_answered_by_group_unless_the_authentication_is_on(
    headers: dict[str, str], query: dict[str, str], group: str
) -> None:
    assert asked(headers, query, group=group, is_auth_on=False) is not None


@given(HEADERS, QUERY, st.booleans())
def test_no_request_is_answered_where_the_page_is_off(
    headers: dict[str, str], query: dict[str, str], is_auth_on: bool
) -> None:
    assert asked(headers, query, page=StatusPage.OFF, is_auth_on=is_auth_on) is not None


@given(st.lists(st.tuples(st.text(), st.text())))
def test_no_claims_but_the_group_s_let_anybody_in(claims: list[tuple[str, str]]) -> None:
    assert (asked(principal(*claims)) is None) == (("groups", GROUP) in claims)


@given(st.text(), st.text(min_size=8))
def test_no_refusal_repeats_what_was_sent(header: str, value: str) -> None:
    for page in (StatusPage.ENTRA, StatusPage.KEY):
        refused = asked({PRINCIPAL: header}, {"code": value}, page=page)
        assert refused == asked(query={"code": "another"}, page=page)


# --- the settings


def test_nobody_may_look_unless_a_setting_says_who(load: Load) -> None:
    settings = load(STATUS_PAGE=None, WEBSITE_AUTH_ENABLED=None)
    assert (settings.page, settings.is_auth_on) == (StatusPage.OFF, False)
    assert load(STATUS_PAGE=" ").page is StatusPage.OFF


def test_a_group_is_named_by_its_object_id(load: Load) -> None:
    settings = load(STATUS_PAGE=" Entra", STATUS_PAGE_GROUP=f" {GROUP.upper()} ")
    assert (settings.page, settings.status_page_group, settings.page_problem) == (StatusPage.ENTRA, GROUP, "")


@pytest.mark.parametrize("secret", ["S3CRET", "@Microsoft.KeyVault(SecretUri=https://vault.example/secrets/S3CRET)"])
@pytest.mark.parametrize("mistaken", ["page", "group", "no group"])
def test_no_mistake_in_these_settings_stops_backups_or_shows_the_page_to_anybody(
    load: Load, secret: str, mistaken: str
) -> None:
    page, group = {"page": (secret, GROUP), "group": ("entra", secret), "no group": ("entra", "")}[mistaken]
    settings = load(STATUS_PAGE=page, STATUS_PAGE_GROUP=group)
    assert settings.page is StatusPage.OFF
    assert settings.page_problem.startswith("STATUS_PAGE is ")
    assert "What to do: set it to " in settings.page_problem
    assert "s3cret" not in settings.page_problem.lower()


@pytest.mark.parametrize("page", ["off", "key", ""])
def test_what_the_page_does_not_need_is_no_mistake(load: Load, page: str) -> None:
    settings = load(STATUS_PAGE=page, STATUS_PAGE_GROUP="Operators")
    assert (settings.page, settings.page_problem) == (StatusPage(page or "off"), "")


@pytest.mark.parametrize(
    ("told", "is_on"), [("True", True), ("true", True), ("False", False), ("1", False), ("", False)]
)
def test_the_authentication_is_on_where_the_platform_says_so(load: Load, told: str, is_on: bool) -> None:
    assert load(WEBSITE_AUTH_ENABLED=told).is_auth_on is is_on


# --- what is served


@contextlib.asynccontextmanager
async def refuses() -> AsyncIterator[Services]:
    raise ValueError("https://disks.blob.core.windows.net/vhds/os.vhd?sig=S3CRET is not there")
    yield


def settings(page: StatusPage) -> PageSettings:
    return PageSettings.model_construct(status_page=page, status_page_group=GROUP, is_auth_on=False)


async def served(page: StatusPage) -> Answered:
    return await serve(refuses, settings(page), "status", headers={}, query={})


async def test_a_refused_request_opens_nothing_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    answered = await served(StatusPage.ENTRA)
    assert answered.status == 403
    assert b"App Service Authentication is off" in answered.body
    assert [json.loads(record.message)["event"] for record in caplog.records] == ["page-refused"]


async def test_an_error_is_told_without_what_it_says_which_is_in_the_log_without_secrets(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answered = await served(StatusPage.KEY)
    assert answered.status == 500
    assert b"vhds" not in answered.body
    assert b"page-failed" in answered.body
    [said] = [json.loads(record.message) for record in caplog.records]
    assert (said["event"], said["error"]) == ("page-failed", "ValueError")
    assert "os.vhd?sig=***" in said["reason"]


@pytest.mark.parametrize("page", [StatusPage.KEY, StatusPage.ENTRA])
async def test_no_answer_is_kept_framed_or_taken_for_something_else(page: StatusPage) -> None:
    headers = (await served(page)).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Content-Type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(("page", "level"), [(StatusPage.KEY, "FUNCTION"), (StatusPage.ENTRA, "ANONYMOUS")])
def test_the_platform_asks_for_a_key_unless_it_asks_who_it_is(page: StatusPage, level: str) -> None:
    app = func.FunctionApp()
    app.register_functions(show_status_blueprint(refuses, settings(page)))
    bindings = [json.loads(found.get_raw_bindings()[0]) for found in app.get_functions()]
    assert {(found["route"], found["authLevel"], *found["methods"]) for found in bindings} == {
        (route, level, "GET", "HEAD") for route in ("status", "status.json", "metrics")
    }

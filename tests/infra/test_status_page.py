"""Who may look at the status page, as it is deployed: nobody, members of a group, or whoever has a key."""

from typing import Any

from tests.infra.bicep_file import read
from tests.infra.tree import INFRA, MAIN, parsed, resources

APP = INFRA / "modules" / "function-app.bicep"


def texts(variable: str) -> list[str]:
    """Give the words of a variable of the app's module."""
    return [word.text for word in read(APP).declared[variable].words]


def authentication() -> dict[str, Any]:
    found: dict[str, Any] = resources("Microsoft.Web/sites/config")["function-app.bicep/authentication"]
    return found


def condition_of_authentication() -> str:
    source = APP.read_text()
    declared = source[source.index("resource authentication ") :]
    return declared[declared.index(" = ") + len(" = ") : declared.index("{\n")].strip()


def test_nothing_answers_http_unless_somebody_says_who_may_look() -> None:
    assert parsed(MAIN)["parameters"]["statusPage"]["default"] == "off"
    assert condition_of_authentication() == "if (statusPage != 'off')", "and nothing else of the deployment changes"


def test_people_sign_in_before_anything_is_answered_to_them() -> None:
    properties = authentication()["properties"]
    source = APP.read_text()
    assert authentication()["name"] == "authsettingsV2"
    assert "var signsIn = statusPage == 'entra'" in source
    assert "enabled: signsIn" in source
    assert "requireAuthentication: signsIn" in source
    assert "unauthenticatedClientAction: signsIn ? 'RedirectToLoginPage' : 'AllowAnonymous'" in source
    assert "identityProviders: signsIn ? identityProviders : {}" in source
    assert properties["httpSettings"] == {"requireHttps": True}


def test_only_the_tenant_and_the_group_sign_in_and_without_a_secret() -> None:
    words = texts("identityProviders")
    assert "allowedGroups" in words
    assert "statusPageGroup" in words
    assert words[words.index("clientId") + 2] == "statusPageClientId"
    assert words[words.index("clientSecretSettingName") + 2] == "OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID"
    assert "tenant" in words
    # That setting is the identity of the app, and is there only where people sign in.
    assert "signsIn ? { OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID: clientId } : {}" in APP.read_text()


def test_no_token_is_kept() -> None:
    assert authentication()["properties"]["login"] == {"tokenStore": {"enabled": False}}


def test_the_address_is_told_where_there_is_a_page() -> None:
    assert "output TIDEMARK_STATUS_PAGE string = statusPage == 'off' ? ''" in MAIN.read_text()

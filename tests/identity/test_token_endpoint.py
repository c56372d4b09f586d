"""The token endpoint: what App Service answers, to nobody but the app."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity.aio import DefaultAzureCredential

from infra.local.identity.token_endpoint import API_VERSION, TokenEndpoint, run_token_endpoint
from infra.local.identity.tokens import STORAGE, Principal, TokenIssuer
from shared.azure.answers import explain

SCOPE = f"{STORAGE}/.default"
PRINCIPAL = Principal.named("a function app")
ISSUER = TokenIssuer()
RIGHT = {"resource": STORAGE, "api-version": API_VERSION, "client_id": PRINCIPAL.client_id}


@pytest.fixture(scope="module")
async def endpoint() -> AsyncIterator[TokenEndpoint]:
    async with run_token_endpoint(ISSUER, PRINCIPAL) as running:
        yield running


@pytest.fixture
def _as_on_the_platform(endpoint: TokenEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in endpoint.settings.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("_as_on_the_platform")
async def test_the_sdk_gets_a_token_of_the_identity_that_is_named() -> None:
    async with DefaultAzureCredential(managed_identity_client_id=PRINCIPAL.client_id) as credential:
        token = await credential.get_token(SCOPE)
    assert ISSUER.object_id(token.token) == PRINCIPAL.object_id
    assert tuple(token) == ISSUER.issue(PRINCIPAL), "and knows when it expires"


@pytest.mark.usefixtures("_as_on_the_platform")
async def test_an_identity_that_the_app_has_not_is_told_with_what_to_do() -> None:
    async with DefaultAzureCredential(managed_identity_client_id=Principal.named("another").client_id) as credential:
        with pytest.raises(ClientAuthenticationError) as raised:
            await credential.get_token(SCOPE)
    assert "otherwise enable the function app's managed identity" in explain(raised.value)
    assert "AzureWebJobsStorage__clientId" in explain(raised.value)


async def test_an_answer_says_whose_token_it_is_and_for_how_long(endpoint: TokenEndpoint) -> None:
    token = ISSUER.issue(PRINCIPAL)
    assert await ask(endpoint, endpoint.header, RIGHT) == (
        200,
        {
            "access_token": token.text,
            "expires_on": str(token.expires_on),
            "resource": STORAGE,
            "token_type": "Bearer",
            "client_id": PRINCIPAL.client_id,
        },
    )


@pytest.mark.parametrize(
    ("header", "changed", "status", "said"),
    [
        ("wrong", {}, 403, "X-IDENTITY-HEADER"),
        ("", {}, 403, "X-IDENTITY-HEADER"),
        (None, {"resource": "https://vault.azure.net"}, 400, "vault"),
        (None, {"resource": ""}, 400, "resource"),
        (None, {"client_id": "11111111-2222-3333-4444-555555555555"}, 400, "No User Assigned"),
        (None, {"client_id": ""}, 400, "No User Assigned"),
        (None, {"api-version": "2017-09-01"}, 400, API_VERSION),
    ],
)
async def test_what_is_wrong_gets_no_token(
    endpoint: TokenEndpoint, header: str | None, changed: dict[str, str], status: int, said: str
) -> None:
    given = endpoint.given
    answered, body = await ask(endpoint, endpoint.header if header is None else header, RIGHT | changed)
    assert (answered, said in body["message"], "access_token" in body) == (status, True, False)
    assert endpoint.given == given


async def ask(endpoint: TokenEndpoint, header: str, query: dict[str, str]) -> tuple[int, dict[str, str]]:
    """Ask for a token over plain HTTP; give the status and the answer."""
    headers = {"X-IDENTITY-HEADER": header} if header else {}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.get(endpoint.url, params=query) as answer,
    ):
        return answer.status, await answer.json()

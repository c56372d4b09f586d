"""The app's tokens live as long as the process: few are asked for, whoever asks, in whichever event loop."""

import asyncio
import functools
import time
from collections.abc import AsyncIterator

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.data.tables.aio import TableServiceClient
from azure.identity.aio import DefaultAzureCredential

from infra.local.identity.token_endpoint import TokenEndpoint, run_token_endpoint
from infra.local.identity.tokens import STORAGE, Principal, TokenIssuer
from shared.azure.app_identity import AppIdentity, Tokens

SCOPE = f"{STORAGE}/.default"
APP = Principal.named("a function app")
DAY_SECONDS = 24 * 60 * 60


@pytest.fixture
async def endpoint(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TokenEndpoint]:
    async with run_token_endpoint(TokenIssuer(), APP) as running:
        for name, value in running.settings.items():
            monkeypatch.setenv(name, value)
        # One that is down is asked once, not for five seconds.
        at_once = functools.partial(DefaultAzureCredential, retry_total=0)
        monkeypatch.setattr("shared.azure.app_identity.DefaultAzureCredential", at_once)
        yield running


class Clock:
    """Time as the tokens see it."""

    def __init__(self) -> None:
        self.passed = 0.0

    def __call__(self) -> float:
        return time.time() + self.passed


async def test_who_asks_at_the_same_time_or_later_gets_one_token(endpoint: TokenEndpoint) -> None:
    tokens = Tokens()
    given = await asyncio.gather(*(AppIdentity(APP.client_id, tokens).get_token_info(SCOPE) for _ in range(20)))
    later = await AppIdentity(APP.client_id, tokens).get_token(SCOPE)
    assert {token.token for token in given} == {later.token}
    assert endpoint.given == 1


async def test_a_token_serves_in_another_event_loop_too_even_where_that_which_asked_is_closed(
    endpoint: TokenEndpoint,
) -> None:
    tokens = Tokens()
    for _ in range(3):
        await asyncio.to_thread(lambda: asyncio.run(AppIdentity(APP.client_id, tokens).get_token(SCOPE)))
    await AppIdentity(APP.client_id, tokens).get_token(SCOPE)
    assert endpoint.given == 1


async def test_loops_that_ask_at_the_same_time_do_not_wait_for_each_other(endpoint: TokenEndpoint) -> None:
    tokens = Tokens()
    identity = AppIdentity(APP.client_id, tokens)
    in_threads = (asyncio.to_thread(lambda: asyncio.run(identity.get_token(SCOPE))) for _ in range(4))
    given = await asyncio.gather(*in_threads, identity.get_token(SCOPE))
    assert len({token.token for token in given}) == 1
    assert 1 <= endpoint.given <= 5


async def test_who_asks_first_may_be_cancelled_and_the_others_get_their_token(endpoint: TokenEndpoint) -> None:
    tokens = Tokens()
    first = asyncio.create_task(AppIdentity(APP.client_id, tokens).get_token(SCOPE))
    second = asyncio.create_task(AppIdentity(APP.client_id, tokens).get_token(SCOPE))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).token
    with pytest.raises(asyncio.CancelledError):
        await first
    assert endpoint.given == 1


async def test_a_token_is_renewed_before_it_ends(endpoint: TokenEndpoint) -> None:
    clock = Clock()
    identity = AppIdentity(APP.client_id, Tokens(clock))
    await identity.get_token(SCOPE)
    clock.passed = DAY_SECONDS / 2 - 60
    await identity.get_token(SCOPE)
    assert endpoint.given == 1
    clock.passed = DAY_SECONDS / 2 + 60
    await identity.get_token(SCOPE)
    assert endpoint.given == 2


async def test_a_token_that_still_holds_serves_while_none_is_given_and_each_half_minute_another_is_asked_for(
    endpoint: TokenEndpoint,
) -> None:
    clock = Clock()
    identity = AppIdentity(APP.client_id, Tokens(clock))
    token = await identity.get_token(SCOPE)
    clock.passed = DAY_SECONDS / 2 + 60
    endpoint.is_down = True
    assert await identity.get_token(SCOPE) == token
    failed = endpoint.failed
    assert failed
    assert await identity.get_token(SCOPE) == token
    assert endpoint.failed == failed
    clock.passed += 31
    assert await identity.get_token(SCOPE) == token
    assert endpoint.failed == 2 * failed
    clock.passed = DAY_SECONDS + 1
    with pytest.raises(ClientAuthenticationError):
        await identity.get_token(SCOPE)


async def test_that_no_token_is_given_is_told_to_all_who_ask_by_one_request_and_not_kept(
    endpoint: TokenEndpoint,
) -> None:
    identity = AppIdentity(APP.client_id, Tokens())
    endpoint.is_down = True
    with pytest.raises(ClientAuthenticationError):
        await identity.get_token(SCOPE)
    tries = endpoint.failed
    asked = await asyncio.gather(*(identity.get_token(SCOPE) for _ in range(10)), return_exceptions=True)
    assert all(isinstance(error, ClientAuthenticationError) for error in asked)
    assert endpoint.failed == 2 * tries
    endpoint.is_down = False
    assert (await identity.get_token(SCOPE)).token


async def test_a_token_that_the_service_has_refused_is_not_given_again_unseen(endpoint: TokenEndpoint) -> None:
    identity = AppIdentity(APP.client_id, Tokens())
    await identity.get_token(SCOPE)
    # So ask the SDK's clients after a 401.
    await identity.get_token_info(SCOPE, options={"tenant_id": "a-tenant"})
    await identity.get_token(SCOPE, claims="what the service wants")
    assert endpoint.given == 3


async def test_identities_have_tokens_of_their_own(endpoint: TokenEndpoint) -> None:
    tokens = Tokens()
    await AppIdentity(APP.client_id, tokens).get_token(SCOPE)
    with pytest.raises(ClientAuthenticationError):
        await AppIdentity(Principal.named("another").client_id, tokens).get_token(SCOPE)
    assert endpoint.given == 1


async def test_a_client_that_is_closed_leaves_the_identity_as_it_is(endpoint: TokenEndpoint) -> None:
    identity = AppIdentity(APP.client_id, Tokens())
    for _ in range(2):
        async with TableServiceClient("https://127.0.0.1:9/host", credential=identity, retry_total=0):
            await identity.get_token(SCOPE)
    assert endpoint.given == 1

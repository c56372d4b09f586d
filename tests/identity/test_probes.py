"""The probes of a real Azure that are about identity, run where keys are off."""

from collections.abc import AsyncIterator

import pytest
from azure.storage.blob.aio import ContainerClient

from infra.local.gateway.roles import BLOB_DATA_CONTRIBUTOR
from infra.local.identity.tokens import Principal, TokenCredential
from infra.local.identity_azure import OWNER, IdentityAzure
from infra.local.local_azure import APP, BACKUPS, DISKS, HOST
from tests.conformance.real.accounts import Account
from tests.conformance.real.bound import bound_of
from tests.conformance.real.ground import SMALL, Accounts, Ground, take_away
from tests.conformance.real.names import new_name
from tests.conformance.real.order import PROBES
from tests.conformance.real.probe import Finding
from tests.conformance.real.running import run_probes
from tests.conformance.real.verdicts import Verdict
from tests.conformance.real.witness import Witness

CHOSEN = tuple(probe for probe in PROBES[:5] if probe.name != "snapshot-etag")


def account(azure: IdentityAzure, name: str, who: Principal) -> Account:
    queues, tables = (f"{proxy.url}/{HOST.name}" for proxy in (azure.queue_proxy, azure.table_proxy))
    credential = TokenCredential(azure.issuer, who)
    verify = {"connection_verify": str(azure.certificates.authority)}
    return Account(name, f"{azure.gateway.url}/{name}", queues, tables, credential=credential, options=verify)


@pytest.fixture
async def accounts(azure: IdentityAzure, container: ContainerClient) -> AsyncIterator[tuple[str, Accounts]]:
    azure.give_app(BLOB_DATA_CONTRIBUTOR, f"/{DISKS.name}/{container.container_name}")
    disks, backups = (account(azure, each.name, OWNER) for each in (DISKS, BACKUPS))
    scoped = (account(azure, DISKS.name, APP), container.container_name)
    name, given = new_name(), Accounts(disks, backups, scoped=scoped)
    yield name, given
    assert await take_away(name, given) == []


async def test_each_probe_that_is_about_identity_holds_where_keys_are_off(accounts: tuple[str, Accounts]) -> None:
    name, given = accounts
    found: list[Finding] = []
    witness = Witness(bound_of(given, 1, with_suite=False, scale=SMALL).bounds())
    async with Ground.opened(name, given, witness, SMALL) as ground:
        await run_probes(ground, found.append, CHOSEN)
    assert [(each.name, each.verdict) for each in found] == [(probe.name, Verdict.HOLDS) for probe in CHOSEN], found
    assert found[0].seen[0] == "signed by identity"
    assert "where the role is on the container only: 409 ContainerAlreadyExists" in found[-1].seen

"""The connections, tokens and delegation keys of a worker serve all of its invocations."""

import pytest

from infra.local.identity_azure import IdentityAzure
from tests.app.cloud import Cloud
from tests.app.connecting import A_PIECE_A_BATCH, disk_for_pieces, opened, write_pieces

BATCHES = 24
AT_ONCE = 12
"""More connections than the app has at work at a time here, and far fewer than it has invocations."""

pytestmark = pytest.mark.usefixtures("_roles_as_at_first")


@pytest.fixture
def azure(identity_azure: IdentityAzure) -> IdentityAzure:
    return identity_azure


@pytest.mark.nightly
async def test_all_invocations_of_a_worker_share_few_connections_a_token_and_a_delegation_key_an_account(
    azure: IdentityAzure, cloud: Cloud
) -> None:
    disk = await disk_for_pieces(azure, cloud, BATCHES)
    await write_pieces(disk, BATCHES)
    before = opened(azure, cloud)
    async with cloud.app(disk, changed=A_PIECE_A_BATCH) as app:
        await app.back_up(disk)
        first = opened(azure, cloud).since(before)
        await write_pieces(disk, BATCHES, seed=1)
        [point] = await app.back_up(disk)
        both = opened(azure, cloud).since(before)
        invocations = await app.invocations()
    assert await disk.content_of(point) == disk.expected
    assert point.batches == BATCHES
    assert invocations > 2 * BATCHES
    assert both.handshakes <= AT_ONCE, f"{first.handshakes} of them in the first of two backups"
    assert both.tokens == 2, "the app's, and that of the host beside it"
    assert both.keys == 2, "to read the disk, and its backup blob"

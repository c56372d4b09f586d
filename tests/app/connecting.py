"""What the tests and the benchmark of connections count, at the servers that the app reaches."""

from datetime import timedelta
from typing import NamedTuple

from infra.local.gateway.roles import Role
from infra.local.host.storage import AGENT as HOST_AGENT
from infra.local.identity_azure import OWNER, IdentityAzure
from infra.local.local_azure import DISKS, ROOT
from shared.limits import PAGE
from tests.app.cloud import Cloud, Disk, pages

DISK_READER = Role.read(ROOT / "infra" / "roles" / "disk-reader.json")
A_PIECE_A_BATCH: dict[str, object] = {
    "backup.plan_changes.FIRST_TURN": timedelta(),
    "backup.copy_ranges.TURN": timedelta(),
    "backup.copy_ranges.TURNS": 1,
}
_OTHERS = (OWNER.name, HOST_AGENT)


class Opened(NamedTuple):
    """What the app has opened and asked for.

    Attributes:
        handshakes: of TLS, each on a TCP connection of its own, with the services of blobs, queues and tables.
        tokens: tokens given; the host, in whose process the app runs, asks for one of its own.
        keys: user delegation keys.
    """

    handshakes: int
    tokens: int
    keys: int

    def since(self, before: "Opened") -> "Opened":
        """Count what came after."""
        return Opened(*(now - then for now, then in zip(self, before, strict=True)))


def opened(azure: IdentityAzure, cloud: Cloud) -> Opened:
    """Count what the app has opened and asked for so far."""
    servers = (azure.gateway, azure.queue_proxy, azure.table_proxy)
    agents = [agent for server in servers for agent in server.accepted.agents if not agent.startswith(_OTHERS)]
    return Opened(len(agents), azure.endpoint.given, cloud.count("Get User Delegation Key"))


async def disk_for_pieces(azure: IdentityAzure, cloud: Cloud, count: int) -> Disk:
    """Make an empty disk that the app may back up, with room for so many pieces."""
    azure.give_app(DISK_READER, f"/{DISKS.name}/{cloud.container}", deletes_only_snapshots=True)
    return await cloud.disk(2 * count * PAGE)


async def write_pieces(disk: Disk, count: int, seed: int = 0) -> None:
    """Write every other page, so many in all: each is a piece of its own."""
    for number in range(count):
        await disk.write(2 * number * PAGE, pages(1, seed=1000 * seed + number))

"""Managed disks for tests and the demo: made and changed here, read through resource manager and gateway."""

import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any

from infra.local.azurite import Account
from infra.local.gateway import Gateway
from infra.local.gateway.answers import ServiceError
from infra.local.gateway.http_server import serve
from infra.local.gateway.roles import EVERYTHING, Assignment, Role
from infra.local.identity.certificates import Certificates
from infra.local.identity.token_endpoint import TokenEndpoint
from infra.local.identity.tokens import DISK, MANAGEMENT, InvalidTokenError, Principal, TokenIssuer

from .behaviour import Behaviour
from .clock import Clock
from .content import DiskContent
from .empty_disks import EmptyDisks
from .limits import Limits
from .operations import Operations
from .provider import Provider
from .resource_ids import ResourceId
from .resource_manager import ResourceManager
from .resources import Disk, Resource, Snapshot
from .roles import Roles
from .snapshot_host import SnapshotHost
from .store import Store, new_path
from .uploads import Uploads

MANAGED_DISKS = Account.named("manageddisks")
"""The account of Azurite that holds the content of all managed disks, each in a container of its own."""

SUBSCRIPTION = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
GROUP = "machines"
LOCATION = "westeurope"
API_VERSION = "2025-01-02"
_DISK_AUDIENCES = frozenset({DISK, DISK.removesuffix("/")})


class ManagedDisks:
    """The managed disks of a local Azure.

    Attributes:
        resource_manager: its server, with the requests so far, faults and an interceptor.
        roles: who may call it; give the app's principal a role.
        behaviour: limits, times and habits, to be set at any time.
        clock: the time, to be moved on.
        issuer: gives out the tokens that are taken.
        settings: environment variables by which an app reaches it: its address, the authority to trust, an identity.
    """

    def __init__(self, gateway: Gateway, url: str, issuer: TokenIssuer, settings: Mapping[str, str]) -> None:
        store = Store()
        self.settings = dict(settings)
        self._gateway = gateway
        self._store = store
        self.issuer = issuer
        self._operations = Operations(store.clock)
        self._limits = Limits(store)
        self.roles = Roles(issuer, ())
        self.roles.audiences |= {url, f"{url}/"}
        uploads, empty = Uploads(store, self._content), EmptyDisks(store, self._content)
        provider = Provider(store, self._operations, self._limits, self.roles, uploads, empty)
        self.resource_manager = ResourceManager(url, gateway.url, provider)
        self.host = SnapshotHost(store, self._check_token)
        self.add_group(SUBSCRIPTION, GROUP)

    @property
    def url(self) -> str:
        """The address of the resource manager: the app setting RESOURCE_MANAGER_URL."""
        return self.resource_manager.url

    def trusted(self) -> ssl.SSLContext:
        """Give what an HTTP client needs to trust the resource manager."""
        return ssl.create_default_context(cafile=self.settings["SSL_CERT_FILE"])

    def token(self, principal: Principal, resource: str = MANAGEMENT) -> str:
        """Give a principal's token."""
        return self.issuer.issue(principal, resource).text

    @property
    def behaviour(self) -> Behaviour:
        """Limits, times and habits."""
        return self._store.behaviour

    @property
    def clock(self) -> Clock:
        """The time."""
        return self._store.clock

    @property
    def disks(self) -> list[Disk]:
        """All disks."""
        return list(self._store.disks())

    @property
    def snapshots(self) -> list[Snapshot]:
        """All snapshots, oldest first."""
        return sorted(self._store.snapshots(), key=lambda found: (found.created, found.time))

    def add_group(self, subscription: str, group: str) -> str:
        """Add a resource group, and its subscription; return the group's id."""
        self._store.subscriptions.add(subscription.lower())
        scope = f"/subscriptions/{subscription}/resourceGroups/{group}"
        self._store.groups.add(scope.lower())
        return scope

    def give(self, principal: Principal, role: Role = EVERYTHING, scope: str = "") -> Assignment:
        """Assign a role to a principal at a scope, the id of a subscription, group or resource; "" is everywhere."""
        return self.roles.give(principal, role, scope)

    async def create_disk(
        self, name: str, size: int, *, group: str = GROUP, subscription: str = SUBSCRIPTION, **fields: Any
    ) -> Disk:
        """Make an empty disk, in place of one that has its name: that makes it another disk, with another `uniqueId`.

        Args:
            name: its name.
            size: in bytes, a multiple of 512, without the VHD footer.
            group: its resource group, which is added.
            subscription: its subscription, which is added.
            fields: further fields of `Disk`: `sku`, `zones`, `tags`, `properties`, `network_access_policy`, ...
        """
        self.add_group(subscription, group)
        path = new_path("md-", "abcd")
        content = self._content(path, size)
        await content.create()
        given = {"location": LOCATION, "sku": "Premium_LRS", "create_option": "Empty", **fields}
        made = Disk(
            id=ResourceId(subscription, group, "disks", name),
            size=size,
            content=content,
            path=path,
            created=self._store.clock.now(),
            **given,
        )
        self._store.add(made)
        return made

    def disk(self, disk_id: str) -> Disk:
        """Return a disk by its id, in any case.

        Raises:
            KeyError: there is none.
        """
        return _of(Disk, self._store.resources[disk_id.lower()])

    def snapshot(self, snapshot_id: str) -> Snapshot:
        """Return a snapshot by its id, in any case.

        Raises:
            KeyError: there is none.
        """
        return _of(Snapshot, self._store.resources[snapshot_id.lower()])

    def delete(self, resource: Resource) -> None:
        """Delete a disk or snapshot as its owner may; the snapshots of a disk stay."""
        self._store.remove(resource)

    def revoke(self, resource: Resource) -> None:
        """Revoke all SASs of a disk or snapshot, as another tool may."""
        self._store.revoke(resource)

    def release(self) -> None:
        """End all operations and background copies that are under way."""
        self._operations.release()
        for snapshot in self._store.snapshots():
            snapshot.copy.release()

    def reset(self) -> None:
        """Forget all resources, roles, faults and requests, and behave as at first; content stays in Azurite."""
        self.release()
        self._store.reset()
        self._limits.forget_requests()
        self.resource_manager.faults.clear()
        self.resource_manager.requests.clear()
        self.resource_manager.interceptor = None
        self.roles.clear()
        self.add_group(SUBSCRIPTION, GROUP)

    def _content(self, path: str, size: int) -> DiskContent:
        account = path.split("/")[1]
        hide = None if self.behaviour.shows_footer else self._hide
        return DiskContent(self._gateway.platform_blobs, f"/{MANAGED_DISKS.name}/{account}/abcd", size, hide)

    def _hide(self, blob: str, start: int, end: int) -> None:
        self._gateway.leave_out(blob, start, end, only_diffs=False)

    def _check_token(self, authorization: str | None, resource: Resource, writes: bool) -> None:
        """Require a token of who may download or upload a resource's data.

        Raises:
            ServiceError: there is none (401, which names the resource to get one for), or its holder may not.
        """
        scheme, _, token = (authorization or "").partition(" ")
        try:
            object_id = self.issuer.object_id(token if scheme == "Bearer" else "", _DISK_AUDIENCES)
        except InvalidTokenError:
            raise _no_disk_token() from None
        action = f"{resource.id.kind}/{'upload' if writes else 'download'}/action"
        if not self.roles.permit(object_id, action, resource.id.text):
            message = "This request is not authorized to perform this operation using this permission."
            raise ServiceError(403, "AuthorizationPermissionMismatch", message)


@contextlib.asynccontextmanager
async def run_managed_disks(
    gateway: Gateway, certificates: Certificates, issuer: TokenIssuer, endpoint: TokenEndpoint
) -> AsyncIterator[ManagedDisks]:
    """Run a resource manager in this event loop, on a free port, and the storage of its disks in a gateway.

    Args:
        gateway: has the account `MANAGED_DISKS`; it serves these disks until the block ends.
        certificates: for TLS.
        issuer: gives out the tokens that it takes.
        endpoint: gives tokens for it to the app, which may do everything until `reset`.

    Raises:
        RuntimeError: the gateway serves other managed disks.
    """
    if gateway.managed_disks:
        raise RuntimeError("This local Azure has managed disks already: all tests of a process share them.")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        identity = {**endpoint.settings, "AZURE_CLIENT_ID": endpoint.principal.client_id}
        trust = {"RESOURCE_MANAGER_URL": url, "SSL_CERT_FILE": str(certificates.authority)}
        managed = ManagedDisks(gateway, url, issuer, {**trust, **identity})
        managed.give(endpoint.principal)
        endpoint.resources.add(url)
        gateway.managed_disks = managed.host
        try:
            async with serve(listener, managed.resource_manager.handle, certificates):
                yield managed
        finally:
            gateway.managed_disks = None
            endpoint.resources.discard(url)


def _no_disk_token() -> ServiceError:
    """Make the error for a SAS that needs a token too (AzCopy, mdAccountNeedsOAuth, goes by the header)."""
    where = "https://login.microsoftonline.com/common/oauth2/authorize"
    headers = {"WWW-Authenticate": f"Bearer authorization_uri={where} resource_id={DISK}"}
    message = (
        "Server failed to authenticate the request. Please refer to the information in the www-authenticate header."
    )
    return ServiceError(401, "InvalidAuthenticationInfo", message, headers=headers)


def _of[R: Resource](kind: type[R], found: Resource) -> R:
    if not isinstance(found, kind):
        raise KeyError(found.id.text)
    return found

"""A local Azure whose accounts have their keys off: all that comes in has a token, or what was signed by one."""

import contextlib
import ssl
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from azure.data.tables.aio import TableServiceClient
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from infra.local.azurite import Account, run_azurite
from infra.local.gateway import Authorizer, Proxy, run_gateway, run_proxy
from infra.local.gateway.roles import (
    BLOB_DATA_CONTRIBUTOR,
    BLOB_DATA_READER,
    BLOB_DELEGATOR,
    EVERYTHING,
    QUEUE_DATA_CONTRIBUTOR,
    QUEUE_MESSAGE_SENDER,
    TABLE_DATA_CONTRIBUTOR,
    TABLE_DATA_READER,
    Assignment,
    Assignments,
    Role,
)
from infra.local.identity.certificates import Certificates, make_certificates
from infra.local.identity.token_endpoint import TokenEndpoint, run_token_endpoint
from infra.local.identity.tokens import Principal, TokenCredential, TokenIssuer
from infra.local.local_azure import (
    ACCOUNTS,
    APP,
    BACKUP_CONTAINER,
    BACKUPS,
    BEHIND_MANAGED_DISKS,
    BLOB_API_VERSION,
    DISKS,
    HOST,
    MORE_DISKS,
    LocalAzure,
)
from infra.local.managed_disks import ManagedDisks, run_managed_disks
from shared.model.names import DRILL_QUEUE, MANAGE_QUEUE, REBUILD_CATALOGUE_QUEUE, RESTORE_REQUESTS_QUEUE, VERIFY_QUEUE

OWNER = Principal.named("owner")
"""Who may do everything: the tests and the demo."""

OPERATOR = Principal.named("operator")
"""Who is signed in to the command line; has no role at first."""

REQUESTS = (RESTORE_REQUESTS_QUEUE, VERIFY_QUEUE, DRILL_QUEUE, REBUILD_CATALOGUE_QUEUE, MANAGE_QUEUE)
"""The queues that a deployment lets the operator send to."""

OPERATOR_ROLES = (
    (TABLE_DATA_READER, f"/{HOST.name}"),
    *((QUEUE_MESSAGE_SENDER, f"/{HOST.name}/{queue}") for queue in REQUESTS),
)
"""The roles that a deployment gives the operator, and where."""

READER_ROLES = tuple((BLOB_DATA_READER, f"/{account.name}") for account in (DISKS, BACKUPS))
"""What somebody is given for as long as they read disks and backups."""


@dataclass(frozen=True, slots=True)
class IdentityAzure(LocalAzure):
    """A running local Azure with keys off.

    Attributes:
        certificates: of its servers.
        issuer: gives out tokens.
        endpoint: where the app gets its own.
        authorizer: knows who may do what.
        queue_proxy: the queue service as the app sees it.
        table_proxy: the table service as the app sees it.
    """

    certificates: Certificates
    issuer: TokenIssuer
    endpoint: TokenEndpoint
    authorizer: Authorizer
    queue_proxy: Proxy
    table_proxy: Proxy

    def give_app(self, role: Role, scope: str, *, deletes_only_snapshots: bool = False) -> Assignment:
        """Assign a role to the app, at "/account" or "/account/container"."""
        assignment = Assignment(APP, role, scope, deletes_only_snapshots)
        self.authorizer.roles.given.append(assignment)
        return assignment

    def give_operator(self, *roles: tuple[Role, str]) -> None:
        """Assign roles to the operator, each at "/account" or "/account/container"."""
        self.authorizer.roles.given.extend(Assignment(OPERATOR, role, scope) for role, scope in roles)

    @contextlib.asynccontextmanager
    async def sign_in(self) -> AsyncIterator[dict[str, str]]:
        """Sign the operator in until the block ends; give the environment by which the command line finds the app."""
        queues, tables = (f"{proxy.url}/{HOST.name}" for proxy in (self.queue_proxy, self.table_proxy))
        async with run_token_endpoint(self.issuer, OPERATOR) as endpoint:
            yield {
                "TIDEMARK_STORAGE": f"AccountName={HOST.name};QueueEndpoint={queues};TableEndpoint={tables}",
                "AZURE_CLIENT_ID": OPERATOR.client_id,
                "SSL_CERT_FILE": str(self.certificates.authority),
                **endpoint.settings,
            }

    def take_from_app(self, assignment: Assignment) -> None:
        """Take an assigned role away."""
        self.authorizer.roles.given.remove(assignment)

    def credential(self) -> TokenCredential:
        """Give the owner's credential."""
        return TokenCredential(self.issuer, OWNER)

    def access_settings(self) -> dict[str, str]:
        """Give the app settings and the environment by which the app gets in: addresses and an identity."""
        return {
            "AzureWebJobsStorage__blobServiceUri": self.blob_url(HOST),
            "AzureWebJobsStorage__queueServiceUri": f"{self.queue_proxy.url}/{HOST.name}",
            "AzureWebJobsStorage__tableServiceUri": f"{self.table_proxy.url}/{HOST.name}",
            "AzureWebJobsStorage__credential": "managedidentity",
            "AzureWebJobsStorage__clientId": APP.client_id,
            "SSL_CERT_FILE": str(self.certificates.authority),
            **self.endpoint.settings,
        }

    def blobs(self, account: Account) -> BlobServiceClient:
        """Make a client of an account's blobs, for the owner."""
        return BlobServiceClient(
            self.blob_url(account),
            self.credential(),
            api_version=BLOB_API_VERSION,
            connection_verify=str(self.certificates.authority),
            user_agent=OWNER.name,
        )

    def tables(self) -> TableServiceClient:
        """Make a client of the host storage's tables, for the owner."""
        return TableServiceClient(
            f"{self.table_proxy.url}/{HOST.name}",
            credential=self.credential(),
            connection_verify=str(self.certificates.authority),
            user_agent=OWNER.name,
        )

    def queues(self) -> QueueServiceClient:
        """Make a client of the host storage's queues, for the owner."""
        return QueueServiceClient(
            f"{self.queue_proxy.url}/{HOST.name}",
            self.credential(),
            api_version=BLOB_API_VERSION,
            connection_verify=str(self.certificates.authority),
            user_agent=OWNER.name,
        )

    @contextlib.asynccontextmanager
    async def managed_disks(self) -> AsyncIterator[ManagedDisks]:
        """Run managed disks in this local Azure until the block ends; the app's identity is the one it has."""
        async with run_managed_disks(self.gateway, self.certificates, self.issuer, self.endpoint) as managed:
            yield managed

    def trusted(self) -> ssl.SSLContext | bool:
        """Give what an HTTP client needs to trust the servers."""
        return self.certificates.for_clients()

    def reading(self, account: Account, container: str, blob: str, snapshot: str | None) -> tuple[str, dict[str, str]]:  # noqa: ARG002 - a token reads all
        """Give the query (without the snapshot) and the headers that read a blob or a snapshot over plain HTTP."""
        token = self.issuer.issue(OWNER).text
        return "", {"Authorization": f"Bearer {token}", "x-ms-version": BLOB_API_VERSION}


@contextlib.asynccontextmanager
async def run_identity_azure() -> AsyncIterator[IdentityAzure]:
    """Run a local Azure with keys off.

    The app's identity may use the host's storage and write to the backup container; what it may do where the disks are
    is still to be assigned.
    """
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidemark-local-azure-")))
        certificates, issuer = make_certificates(folder), TokenIssuer()
        authorizer = Authorizer(issuer, (APP, OWNER, OPERATOR), _roles())
        azurite = await enter(run_azurite(BEHIND_MANAGED_DISKS, folder / "data", certificates))
        yield IdentityAzure(
            azurite=azurite,
            gateway=await enter(run_gateway(azurite.blob_url, BEHIND_MANAGED_DISKS, certificates, authorizer)),
            folder=folder,
            certificates=certificates,
            issuer=issuer,
            endpoint=await enter(run_token_endpoint(issuer, APP)),
            authorizer=authorizer,
            queue_proxy=await enter(run_proxy("queue", azurite.queue_url, ACCOUNTS, certificates, authorizer)),
            table_proxy=await enter(run_proxy("table", azurite.table_url, ACCOUNTS, certificates, authorizer)),
        )


def _roles() -> Assignments:
    return Assignments(
        [
            Assignment(OWNER, EVERYTHING, ""),
            Assignment(APP, QUEUE_DATA_CONTRIBUTOR, f"/{HOST.name}"),
            Assignment(APP, TABLE_DATA_CONTRIBUTOR, f"/{HOST.name}"),
            Assignment(APP, BLOB_DATA_CONTRIBUTOR, f"/{BACKUPS.name}/{BACKUP_CONTAINER}"),
            *(Assignment(APP, BLOB_DELEGATOR, f"/{account.name}") for account in (DISKS, MORE_DISKS, BACKUPS)),
        ]
    )

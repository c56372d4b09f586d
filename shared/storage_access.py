"""Settings for storage access: accounts reached by key, the app's own storage, the service version."""

from typing import Self
from urllib.parse import urlsplit

from azure.core.credentials import AzureNamedKeyCredential
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from shared.limits import STORAGE_API_VERSION


class StorageConnection(BaseModel):
    """A storage account reached by its key.

    Attributes:
        account: the account's name.
        key: its shared key.
    """

    model_config = ConfigDict(frozen=True)

    account: str = Field(min_length=1)
    key: SecretStr = Field(min_length=1)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a storage connection string.

        Raises:
            ValueError: it has no account name or key; the message shows neither.
        """
        fields = _fields(text)
        if not fields.get("accountname") or not fields.get("accountkey"):
            raise ValueError(
                "must be a connection string with AccountName and AccountKey;"
                " leave out accounts that the app reaches with its identity"
            )
        require_lower_case(fields["accountname"])
        return cls(account=fields["accountname"], key=SecretStr(fields["accountkey"]))


class HostStorage(BaseModel):
    """The function app's own storage, which holds the queues and tables: a connection string, or two service URLs."""

    model_config = ConfigDict(frozen=True)

    connection_string: SecretStr | None = None
    queue_service_url: str | None = None
    table_service_url: str | None = None
    client_id: str | None = None

    @property
    def table_url(self) -> str:
        """The URL of its table service, without any secret."""
        if self.connection_string:
            return str(TableServiceClient.from_connection_string(self.connection_string.get_secret_value()).url)
        return self.table_service_url or ""

    @property
    def account(self) -> str:
        """The name of the account: the first label of the host, or, of an emulator, of the path."""
        found = urlsplit(self.table_url)
        label = (found.hostname or "").partition(".")[0]
        return found.path.strip("/").partition("/")[0] or label


def supported_version(text: str) -> str:
    """Return the storage service version to use: the one given, or the default if empty.

    Raises:
        ValueError: the installed SDK does not support it.
    """
    version = text.strip() or STORAGE_API_VERSION
    url, credential = "https://account.blob.core.windows.net", AzureNamedKeyCredential("account", "")  # never used
    try:
        BlobServiceClient(url, credential, api_version=version).close()
        QueueServiceClient(url, credential, api_version=version).close()
    except ValueError as error:
        newest = str(error).split()[-1]
        raise ValueError(
            f"must be a storage service version that the installed SDK supports, such as {STORAGE_API_VERSION}"
            f" (the newest is {newest}); or remove the setting"
        ) from None
    return version


def require_connection_string(text: str) -> None:
    """Require a connection string that the SDK can read, with a valid account name.

    Raises:
        ValueError: it is not one; the message does not show it.
    """
    try:
        QueueServiceClient.from_connection_string(text).close()
    except ValueError:
        raise ValueError("must be a connection string with AccountName and AccountKey") from None
    require_lower_case(_fields(text).get("accountname", ""))


def require_lower_case(account: str) -> None:
    """Require an account name in lower case, as its URLs have it.

    Raises:
        ValueError: it has uppercase letters.
    """
    if account != account.lower():
        raise ValueError("must have the account name in lower case, as all storage account names are")


def _fields(text: str) -> dict[str, str]:
    """Return the fields of a connection string, with their names in lower case."""
    parts = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in parts}

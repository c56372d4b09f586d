"""How storage is reached, as the settings say it: accounts by key, the app's own storage, the service's version."""

from typing import Self

from azure.core.credentials import AzureNamedKeyCredential
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
        """Read a storage connection string.

        Raises:
            ValueError: it has no account name or key; the message shows neither.
        """
        fields = _fields(text)
        if not fields.get("accountname") or not fields.get("accountkey"):
            raise ValueError(
                "should be a connection string with AccountName and AccountKey; "
                "for an account without a key, leave it out: it is then reached with the app's identity"
            )
        require_lower_case(fields["accountname"])
        return cls(account=fields["accountname"], key=SecretStr(fields["accountkey"]))


class HostStorage(BaseModel):
    """The function app's own storage, where the queues and the table live: a connection string, or two service URLs."""

    model_config = ConfigDict(frozen=True)

    connection_string: SecretStr | None = None
    queue_service_url: str | None = None
    table_service_url: str | None = None
    client_id: str | None = None


def known_version(text: str) -> str:
    """Read a storage service version; the default where there is none.

    Raises:
        ValueError: the installed SDK refuses to ask for it.
    """
    version = text.strip() or STORAGE_API_VERSION
    url, nobody = "https://account.blob.core.windows.net", AzureNamedKeyCredential("account", "")  # nothing is asked
    try:
        BlobServiceClient(url, nobody, api_version=version).close()
        QueueServiceClient(url, nobody, api_version=version).close()
    except ValueError as error:
        newest = str(error).split()[-1]
        raise ValueError(
            f"should be a storage service version that the installed SDK knows, like {STORAGE_API_VERSION}, {newest} at"
            " most; or leave it out"
        ) from None
    return version


def require_connection_string(text: str) -> None:
    """See to it that the SDK can read a connection string, and that its account can be one.

    Raises:
        ValueError: it can't; the message does not show it.
    """
    try:
        QueueServiceClient.from_connection_string(text).close()
    except ValueError:
        raise ValueError("should be a connection string with AccountName and AccountKey") from None
    require_lower_case(_fields(text).get("accountname", ""))


def require_lower_case(account: str) -> None:
    """See to it that an account's name can be one, and is the one in the account's URLs.

    Raises:
        ValueError: it has capitals.
    """
    if account != account.lower():
        raise ValueError("should have the account's name in lower case, as every storage account is named")


def _fields(text: str) -> dict[str, str]:
    """Read the fields of a connection string, their names in lower case."""
    parts = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in parts}

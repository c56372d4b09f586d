"""Addresses of blobs and containers, in both styles: `https://ACCOUNT.blob.SUFFIX/...` and `http://HOST:PORT/ACCOUNT/...`."""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, unquote, urlsplit

# What the SDK leaves unquoted in a blob's name: two spellings of one URL must give one disk.
_SAFE = "/~-._()*!'$"
_MOST_SHOWN = 200
_ACCOUNT = re.compile("[a-z0-9][a-z0-9-]*")


class AddressError(ValueError):
    """A URL that names no container or no blob; the message says why, without the URL's query."""


@dataclass(frozen=True, slots=True, order=True)
class ContainerAddress:
    """A container of a storage account.

    Attributes:
        service_url: the blob service's URL, without a slash at the end.
        account: the storage account's name.
        container: the container's name.
    """

    service_url: str
    account: str
    container: str

    @property
    def url(self) -> str:
        """The container's URL."""
        return f"{self.service_url}/{quote(self.container, safe=_SAFE)}"

    def blob(self, name: str) -> "BlobAddress":
        """Address a blob of this container by its name (not percent-encoded)."""
        return BlobAddress(self.service_url, self.account, self.container, name)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a container's URL.

        Raises:
            AddressError: the URL is not that of a container.
        """
        service_url, account, path = _split(url)
        if not path or "/" in path:
            raise AddressError(
                f"{_shown(url)} should be the URL of a container, like https://ACCOUNT.blob.core.windows.net/CONTAINER"
            )
        return cls(service_url, account, _container_name(path, url))


@dataclass(frozen=True, slots=True, order=True)
class BlobAddress:
    """A blob of a storage account: a disk or a backup blob.

    Attributes:
        service_url: the blob service's URL, without a slash at the end.
        account: the storage account's name.
        container: the container's name.
        blob: the blob's name, not percent-encoded.
    """

    service_url: str
    account: str
    container: str
    blob: str

    @property
    def url(self) -> str:
        """The blob's URL, percent-encoded; all ASCII."""
        return f"{self.service_url}/{quote(self.container, safe=_SAFE)}/{quote(self.blob, safe=_SAFE)}"

    @property
    def parent(self) -> ContainerAddress:
        """The container the blob is in."""
        return ContainerAddress(self.service_url, self.account, self.container)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a blob's URL.

        Raises:
            AddressError: the URL is not that of a blob, or carries a query (a SAS, a snapshot).
        """
        service_url, account, path = _split(url)
        container, _, blob = path.partition("/")
        if not container or not blob:
            raise AddressError(
                f"{_shown(url)} should be the URL of a blob, like https://ACCOUNT.blob.core.windows.net/CONTAINER/DISK.vhd"
            )
        return cls(service_url, account, _container_name(container, url), unquote(blob))


def _split(url: str) -> tuple[str, str, str]:
    """Split a URL into the service's URL, the account and the path within the account (still percent-encoded)."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        port = parts.port
    except ValueError:
        raise AddressError(f"{_shown(url)} is not a URL that can be read") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise AddressError(f"{_shown(url)} should start with https://")
    if parts.username or parts.password:
        raise AddressError(f"the URL of {host} should hold no user name or password")
    if parts.query or parts.fragment:
        raise AddressError(f"{_shown(url)} should have nothing after the blob's name: no SAS, no snapshot")
    netloc = f"[{host}]" if ":" in host else host
    service_url = f"{parts.scheme}://{netloc}{'' if port is None else f':{port}'}"
    path = parts.path.lstrip("/")
    first, *labels = host.split(".")
    if "blob" in labels:
        account, rest = first, path
    else:
        account, _, rest = path.partition("/")
        service_url = f"{service_url}/{account}"
    if not _ACCOUNT.fullmatch(account):
        raise AddressError(f"{_shown(url)} names no storage account")
    return service_url, account, rest


def _container_name(quoted: str, url: str) -> str:
    name = unquote(quoted)
    if not name or "/" in name:
        raise AddressError(f"{_shown(url)} names no container")
    return name


def _shown(url: str) -> str:
    """Show a URL in a message without what may be a secret in it: user, password, port, query; and nothing else."""
    scheme, separator, rest = url.partition("://")
    if not separator or not scheme.isalpha():
        return "a value that is no URL"
    server, slash, path = re.split("[?#]", rest, maxsplit=1)[0].partition("/")
    host, colon, port = server.rpartition("@")[2].partition(":")
    if colon and not host.startswith("[") and not port.isdigit():
        return f"{scheme}://..."  # the rest may be a password with a slash in it
    return f"{scheme}://{host}{colon}{port}{slash}{path}"[:_MOST_SHOWN]

"""Addresses of blobs and containers, in both styles: `https://ACCOUNT.blob.SUFFIX/...` and `http://HOST:PORT/ACCOUNT/...`.

A blob has one address, however its URL is spelled. A URL that the service would resolve to another blob is refused.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import SplitResult, quote, unquote, urlsplit

from shared.errors import UnreadableError
from shared.model.blob_names import blob_name_problem, container_name_problem

# What the SDK leaves unquoted in a blob's name: two spellings of one URL must give one disk.
_SAFE = "/~-._()*!'$"
MAX_SHOWN = 200
"""Characters of an address that a message shows."""

# REST: Storage account overview; an emulator's account, in the path, may have any name.
_ACCOUNT = re.compile("[a-z0-9]{3,24}")
_EMULATED_ACCOUNT = re.compile("[a-z0-9][a-z0-9-]*")
_HOST = re.compile("[a-z0-9-]+(?:[.][a-z0-9-]+)*")
# A DNS zone, or a private endpoint.
_BEFORE_SERVICE = re.compile("z[0-9]+|privatelink")
_OTHER_SERVICES = frozenset({"dfs", "file", "queue", "table", "web"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
# What `urlsplit` silently drops.
_DROPPED = frozenset("\t\r\n")
_LIKE = "https://ACCOUNT.blob.core.windows.net"


class AddressError(UnreadableError, ValueError):
    """A URL that does not name a container or a blob; the message says why, without the URL's query."""


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

    def __str__(self) -> str:
        """Return its URL."""
        return self.url

    @property
    def url(self) -> str:
        """The container's URL."""
        return f"{self.service_url}/{quote(self.container, safe=_SAFE)}"

    def is_same_as(self, other: "ContainerAddress") -> bool:
        """Return whether both are one container, which has several URLs, such as that of a private endpoint."""
        return (self.account, self.container) == (other.account, other.container)

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
            raise AddressError(f"{_shown(url)} is not the URL of a container; expected {_LIKE}/CONTAINER")
        return cls(service_url, account, _container_name(path, url))


@dataclass(frozen=True, slots=True, order=True)
class BlobAddress:
    """A blob of a storage account.

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

    def __str__(self) -> str:
        """Return its URL."""
        return self.url

    @property
    def url(self) -> str:
        """The blob's URL, percent-encoded; all ASCII."""
        return f"{self.service_url}/{quote(self.container, safe=_SAFE)}/{quote(self.blob, safe=_SAFE)}"

    @property
    def parent(self) -> ContainerAddress:
        """The container the blob is in."""
        return ContainerAddress(self.service_url, self.account, self.container)

    def is_same_as(self, other: "BlobAddress") -> bool:
        """Return whether both are one blob, by whichever URL of its container."""
        return self.parent.is_same_as(other.parent) and self.blob == other.blob

    @property
    def name_problem(self) -> str:
        """What is wrong with the blob's name; empty if nothing is."""
        return blob_name_problem(self.container, self.blob)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a blob's URL.

        Raises:
            AddressError: the URL is not that of a blob, has a query (a SAS, a snapshot), or the service would resolve
                its name to another blob.
        """
        service_url, account, path = _split(url)
        container, _, blob = path.partition("/")
        if not container or not blob:
            raise AddressError(f"{_shown(url)} is not the URL of a blob; expected {_LIKE}/CONTAINER/DISK.vhd")
        address = cls(service_url, account, _container_name(container, url), _unquoted(blob, url))
        if mistake := address.name_problem:
            raise AddressError(f"{_shown(url)} {mistake}")
        return address


def is_url_of(address: BlobAddress | ContainerAddress, url: str) -> bool:
    """Return whether a URL, however it is spelled, is that of an address."""
    try:
        return type(address).parse(url) == address
    except AddressError:
        return False


def _split(url: str) -> tuple[str, str, str]:
    """Split a URL into the service's URL, the account and the path within the account (still percent-encoded)."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower().removesuffix(".")
        port = parts.port
    except ValueError:
        raise AddressError(f"{_shown(url)} is not a valid URL") from None
    if parts.scheme not in _DEFAULT_PORTS or not host:
        raise AddressError(f"{_shown(url)} must start with https://")
    if parts.username or parts.password:
        raise AddressError(f"the URL of {host} must not contain a user name or password")
    if parts.query or parts.fragment:
        raise AddressError(f"{_shown(url)} must not have a query string or fragment: no SAS, no snapshot")
    if not _DROPPED.isdisjoint(url):
        raise AddressError(f"{_shown(url)} contains a tab or a line break")
    port = None if port == _DEFAULT_PORTS[parts.scheme] else port
    found = _account_style(host, parts, port) or _path_style(host, parts, port)
    if found is None:
        raise AddressError(f"{_shown(url)} names no storage account; expected {_LIKE}/...")
    return found


def _account_style(host: str, parts: SplitResult, port: int | None) -> tuple[str, str, str] | None:
    """Read `ACCOUNT.blob.SUFFIX`; None if the host is not like that. With `http` it is the same account."""
    account, *rest = host.split(".")
    service = rest[1:] if rest and _BEFORE_SERVICE.fullmatch(rest[0]) else rest
    if service[:1] != ["blob"] or not _ACCOUNT.fullmatch(account) or not _HOST.fullmatch(host):
        return None
    service_url = f"https://{host}" if port in {None, *_DEFAULT_PORTS.values()} else f"{parts.scheme}://{host}:{port}"
    return service_url, account, parts.path.lstrip("/")


def _path_style(host: str, parts: SplitResult, port: int | None) -> tuple[str, str, str] | None:
    """Read `HOST/ACCOUNT`, where HOST is an IP address, a single label, or has a port; None if it is not like that."""
    address = _ip_address(host)
    labels = host.split(".")
    is_other_service = not _OTHER_SERVICES.isdisjoint(labels[1:]) or "blob" in labels[1:]
    if address is None and (not _HOST.fullmatch(host) or is_other_service or (len(labels) > 1 and port is None)):
        return None
    account, _, path = parts.path.lstrip("/").partition("/")
    if not _EMULATED_ACCOUNT.fullmatch(account):
        return None
    netloc = f"{address or host}{'' if port is None else f':{port}'}"
    return f"{parts.scheme}://{netloc}/{account}", account, path


def _ip_address(host: str) -> str | None:
    """Write an IP address as a URL has it, each in one spelling only; None if the host is not one."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 - IPv6


def _container_name(quoted: str, url: str) -> str:
    name = _unquoted(quoted, url)
    if mistake := container_name_problem(name):
        raise AddressError(f"{_shown(url)} {mistake}")
    return name


def _unquoted(quoted: str, url: str) -> str:
    try:
        return unquote(quoted, errors="strict")
    except UnicodeDecodeError:
        raise AddressError(f"{_shown(url)} must be percent-encoded as UTF-8") from None


def _shown(url: str) -> str:
    """Show a URL in a message without what may be secret: user, password, query. What is not a URL is not shown."""
    scheme, separator, rest = url.partition("://")
    if not separator or not scheme.isalpha():
        return "the value"
    server, slash, path = re.split("[?#]", rest, maxsplit=1)[0].partition("/")
    host, colon, port = server.rpartition("@")[2].partition(":")
    if colon and not host.startswith("[") and not port.isdigit():
        return f"{scheme}://..."  # the rest may be a password with a slash in it
    return f"{scheme}://{host}{colon}{port}{slash}{path}"[:MAX_SHOWN]

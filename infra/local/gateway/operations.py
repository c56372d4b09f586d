"""Naming the REST operation of a request as the Blob, Queue and Table services' REST references do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_SERVICE = {
    ("GET", "list"): "List Containers",
    ("GET", "properties"): "Get Blob Service Properties",
    ("PUT", "properties"): "Set Blob Service Properties",
    ("GET", "stats"): "Get Blob Service Stats",
    ("GET", "blobs"): "Find Blobs by Tags",
    ("POST", "userdelegationkey"): "Get User Delegation Key",
    ("POST", "batch"): "Blob Batch",
}
_CONTAINER = {
    ("PUT", ""): "Create Container",
    ("GET", ""): "Get Container Properties",
    ("HEAD", ""): "Get Container Properties",
    ("DELETE", ""): "Delete Container",
    ("GET", "list"): "List Blobs",
    ("GET", "metadata"): "Get Container Metadata",
    ("HEAD", "metadata"): "Get Container Metadata",
    ("PUT", "metadata"): "Set Container Metadata",
    ("GET", "acl"): "Get Container ACL",
    ("HEAD", "acl"): "Get Container ACL",
    ("PUT", "acl"): "Set Container ACL",
    ("PUT", "lease"): "Lease Container",
    ("GET", "blobs"): "Find Blobs by Tags",
    ("POST", "batch"): "Blob Batch",
}
_BLOB = {
    ("GET", ""): "Get Blob",
    ("HEAD", ""): "Get Blob Properties",
    ("DELETE", ""): "Delete Blob",
    ("PUT", ""): "Put Blob",
    ("GET", "pagelist"): "Get Page Ranges",
    ("PUT", "page"): "Put Page",
    ("PUT", "snapshot"): "Snapshot Blob",
    ("PUT", "lease"): "Lease Blob",
    ("PUT", "copy"): "Abort Copy Blob",
    ("PUT", "incrementalcopy"): "Incremental Copy Blob",
    ("PUT", "undelete"): "Undelete Blob",
    ("PUT", "tier"): "Set Blob Tier",
    ("PUT", "properties"): "Set Blob Properties",
    ("GET", "metadata"): "Get Blob Metadata",
    ("HEAD", "metadata"): "Get Blob Metadata",
    ("PUT", "metadata"): "Set Blob Metadata",
    ("GET", "tags"): "Get Blob Tags",
    ("PUT", "tags"): "Set Blob Tags",
    ("PUT", "block"): "Put Block",
    ("PUT", "blocklist"): "Put Block List",
    ("GET", "blocklist"): "Get Block List",
    ("PUT", "appendblock"): "Append Block",
}
_FROM_URL = {
    "Put Block": "Put Block From URL",
    "Append Block": "Append Block From URL",
    "Put Page": "Put Page From URL",
}
_QUEUE = {
    ("PUT", 2): "Create Queue",
    ("GET", 2): "Get Queue Metadata",
    ("DELETE", 2): "Delete Queue",
    ("POST", 3): "Put Message",
    ("GET", 3): "Get Messages",
    ("PUT", 4): "Update Message",
    ("DELETE", 4): "Delete Message",
}
_ENTITY = {
    "GET": "Get Entity",
    "PUT": "Update Entity",
    "PATCH": "Merge Entity",
    "MERGE": "Merge Entity",
    "DELETE": "Delete Entity",
}
_ENTITY_PATH = re.compile(r"/\w+\(.+\)$")
_PARTS_OF_CONTAINER = 2


@dataclass(slots=True)
class Request:
    """A request to the gateway.

    Attributes:
        method: the HTTP method.
        operation: the operation's name in the REST reference ("Put Page From URL").
        path: the decoded path, "/account/container/blob".
        query: the decoded query parameters.
        headers: the request's headers, names in lower case.
        bytes_in: length of the request's body.
        status: the answer's HTTP status; None before it, and if the connection was cut.
        bytes_out: length of the answer's body.
        error_code: the answer's `x-ms-error-code`, if any.
        caller: the name of the principal, if an authorizer has checked it.
    """

    method: str
    operation: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    bytes_in: int = 0
    status: int | None = None
    bytes_out: int = 0
    error_code: str | None = None
    caller: str | None = None


def blob_operation(method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """Name an operation of the Blob service; `path` is decoded, header names are in lower case.

    Returns:
        The REST reference's name, or "METHOD comp" for an unknown operation.
    """
    parts = len([part for part in path.split("/", 3) if part])
    comp = query.get("comp", "").lower()
    if parts < _PARTS_OF_CONTAINER:
        account_info = query.get("restype") == "account"
        return "Get Account Information" if account_info else _SERVICE.get((method, comp), f"{method} {comp}")
    if parts == _PARTS_OF_CONTAINER:
        return _CONTAINER.get((method, comp), f"{method} {comp}")
    name = _BLOB.get((method, comp), f"{method} {comp}")
    if name == "Put Blob" and "x-ms-copy-source" in headers:
        return _copy_name(headers)
    if name in _FROM_URL and "x-ms-copy-source" in headers:
        return _FROM_URL[name]
    if name == "Put Page" and headers.get("x-ms-page-write", "").lower() == "clear":
        return "Clear Pages"
    return name


def queue_operation(method: str, path: str, query: Mapping[str, str], _headers: Mapping[str, str]) -> str:
    """Name an operation of the Queue service as its REST reference does."""
    parts = len([part for part in path.split("/") if part])
    comp = query.get("comp", "")
    if comp == "list":
        return "List Queues"
    return f"{method} {comp}" if comp else _QUEUE.get((method, parts), f"{method} {path}")


def table_operation(method: str, path: str, _query: Mapping[str, str], _headers: Mapping[str, str]) -> str:
    """Name an operation of the Table service as its REST reference does."""
    if path.endswith("/$batch"):
        return "Entity Group Transaction"
    if path.endswith("/Tables"):
        return "Create Table" if method == "POST" else "Query Tables"
    if "/Tables(" in path:
        return "Delete Table"
    if method == "POST":
        return "Insert Entity"
    if path.endswith("()") or not _ENTITY_PATH.search(path):
        return "Query Entities"
    return _ENTITY.get(method, f"{method} {path}")


def _copy_name(headers: Mapping[str, str]) -> str:
    if "x-ms-blob-type" in headers:
        return "Put Blob From URL"
    return "Copy Blob From URL" if headers.get("x-ms-requires-sync", "").lower() == "true" else "Copy Blob"

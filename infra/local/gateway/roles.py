"""Roles, their assignments, and the actions that requests need.

https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory, "Permissions for calling
data operations". An operation that is not listed here needs a role that permits everything.
"""

import fnmatch
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from infra.local.identity.tokens import Principal

Service = Literal["blob", "queue", "table"]

_STORAGE = "Microsoft.Storage/storageAccounts"
_CONTAINERS = f"{_STORAGE}/blobServices/containers"
_QUEUES = f"{_STORAGE}/queueServices/queues"
_TABLES = f"{_STORAGE}/tableServices/tables"
GET_DELEGATION_KEY = f"{_STORAGE}/blobServices/generateUserDelegationKey/action"
READ_BLOB = f"{_CONTAINERS}/blobs/read"
ADD_BLOB = f"{_CONTAINERS}/blobs/add/action"
WRITE_BLOB = f"{_CONTAINERS}/blobs/write"
DELETE_BLOB = f"{_CONTAINERS}/blobs/delete"


@dataclass(frozen=True, slots=True)
class Role:
    """A role.

    Attributes:
        name: its name.
        actions: the actions it permits, data actions included; `*` is a wildcard.
    """

    name: str
    actions: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> "Role":
        """Read a role definition in the format of `az role definition create`.

        Raises:
            ValueError: it excludes actions, which is not modelled here.
        """
        definition = json.loads(path.read_text())
        if definition.get("NotActions") or definition.get("NotDataActions"):
            raise ValueError(f"{path} has NotActions or NotDataActions")
        return cls(definition["Name"], (*definition.get("Actions", ()), *definition.get("DataActions", ())))

    def permits(self, action: str) -> bool:
        """Return whether it permits an action."""
        return any(fnmatch.fnmatchcase(action.lower(), permitted.lower()) for permitted in self.actions)


EVERYTHING = Role("Everything", ("*",))

# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/storage
BLOB_DATA_CONTRIBUTOR = Role(
    "Storage Blob Data Contributor",
    (
        *(f"{_CONTAINERS}/{what}" for what in ("delete", "read", "write")),
        GET_DELEGATION_KEY,
        *(f"{_CONTAINERS}/blobs/{what}" for what in ("delete", "read", "write", "move/action", "add/action")),
    ),
)
BLOB_DATA_READER = Role("Storage Blob Data Reader", (f"{_CONTAINERS}/read", GET_DELEGATION_KEY, READ_BLOB))
BLOB_DELEGATOR = Role("Storage Blob Delegator", (GET_DELEGATION_KEY,))
QUEUE_DATA_CONTRIBUTOR = Role(
    "Storage Queue Data Contributor",
    (
        *(f"{_QUEUES}/{what}" for what in ("delete", "read", "write")),
        *(f"{_QUEUES}/messages/{what}" for what in ("delete", "read", "write", "process/action")),
    ),
)
QUEUE_MESSAGE_SENDER = Role("Storage Queue Data Message Sender", (f"{_QUEUES}/messages/add/action",))
TABLE_DATA_READER = Role("Storage Table Data Reader", (f"{_TABLES}/read", f"{_TABLES}/entities/read"))
TABLE_DATA_CONTRIBUTOR = Role(
    "Storage Table Data Contributor",
    (
        *(f"{_TABLES}/{what}" for what in ("read", "write", "delete")),
        *(f"{_TABLES}/entities/{what}" for what in ("read", "write", "delete", "add/action", "update/action")),
    ),
)


@dataclass(frozen=True, slots=True)
class Assignment:
    """A role assignment.

    Attributes:
        principal: the principal.
        role: the role.
        scope: "/account" or "/account/container"; empty for everywhere.
        deletes_only_snapshots: whether a condition restricts it to deleting snapshots.
    """

    principal: Principal
    role: Role
    scope: str
    deletes_only_snapshots: bool = False

    def permits(self, object_id: str, action: str, path: str, *, is_snapshot: bool) -> bool:
        """Return whether it permits a principal an action at a decoded path."""
        return (
            self.principal.object_id == object_id
            and f"{path}/".startswith(f"{self.scope}/")
            and self.role.permits(action)
            and not (self.deletes_only_snapshots and action == DELETE_BLOB and not is_snapshot)
        )


class Assignments:
    """The role assignments, which may change at any time."""

    def __init__(self, given: Iterable[Assignment] = ()) -> None:
        self.given = list(given)

    def permit(self, object_id: str, action: str, path: str, *, is_snapshot: bool = False) -> bool:
        """Return whether a principal may perform an action at a decoded path."""
        return any(given.permits(object_id, action, path, is_snapshot=is_snapshot) for given in self.given)


def sufficient_actions(service: Service, operation: str) -> tuple[str, ...]:
    """Return the actions any one of which is enough for an operation of the REST reference."""
    return _REQUIRED[service].get(operation, (f"{_STORAGE}/not listed/{operation}",))


_CREATE_OR_WRITE = (WRITE_BLOB, ADD_BLOB)
CREATES_BLOB = frozenset({"Put Blob", "Put Blob From URL", "Copy Blob", "Copy Blob From URL"})
"""Operations for which `ADD_BLOB` is enough if the blob does not exist."""

_BLOB: dict[str, tuple[str, ...]] = {
    "List Containers": (f"{_CONTAINERS}/read",),
    "Get User Delegation Key": (GET_DELEGATION_KEY,),
    "Create Container": (f"{_CONTAINERS}/write",),
    "Get Container Properties": (f"{_CONTAINERS}/read",),
    "Delete Container": (f"{_CONTAINERS}/delete",),
    **dict.fromkeys(("List Blobs", "Get Blob", "Get Blob Properties", "Get Blob Metadata"), (READ_BLOB,)),
    "Get Page Ranges": (READ_BLOB,),
    **dict.fromkeys(CREATES_BLOB | {"Snapshot Blob"}, _CREATE_OR_WRITE),
    **dict.fromkeys(("Put Page", "Clear Pages", "Put Page From URL"), (WRITE_BLOB,)),
    **dict.fromkeys(("Set Blob Properties", "Set Blob Metadata", "Lease Blob", "Abort Copy Blob"), (WRITE_BLOB,)),
    "Delete Blob": (DELETE_BLOB,),
}
_MESSAGES, _ENTITIES = f"{_QUEUES}/messages", f"{_TABLES}/entities"
_QUEUE: dict[str, tuple[str, ...]] = {
    "List Queues": (f"{_QUEUES}/read",),
    "Create Queue": (f"{_QUEUES}/write",),
    "Get Queue Metadata": (f"{_QUEUES}/read",),
    "Delete Queue": (f"{_QUEUES}/delete",),
    "Put Message": (f"{_MESSAGES}/add/action", f"{_MESSAGES}/write"),
    "Get Messages": (f"{_MESSAGES}/process/action",),
    "Update Message": (f"{_MESSAGES}/write",),
    "Delete Message": (f"{_MESSAGES}/process/action", f"{_MESSAGES}/delete"),
}
_TABLE: dict[str, tuple[str, ...]] = {
    "Query Tables": (f"{_TABLES}/read",),
    "Create Table": (f"{_TABLES}/write",),
    "Delete Table": (f"{_TABLES}/delete",),
    **dict.fromkeys(("Query Entities", "Get Entity"), (f"{_ENTITIES}/read",)),
    "Insert Entity": (f"{_ENTITIES}/write", f"{_ENTITIES}/add/action"),
    **dict.fromkeys(("Update Entity", "Merge Entity"), (f"{_ENTITIES}/write", f"{_ENTITIES}/update/action")),
    "Delete Entity": (f"{_ENTITIES}/delete",),
    "Entity Group Transaction": (f"{_ENTITIES}/write",),
}
_REQUIRED: Mapping[Service, Mapping[str, tuple[str, ...]]] = {"blob": _BLOB, "queue": _QUEUE, "table": _TABLE}

"""A request to the resource manager, taken apart: which operation, on what, by whom."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.local.gateway.operations import Request
from infra.local.identity.tokens import Principal

from .arm_errors import ArmError
from .resource_ids import Kind, ResourceId

PROVIDER = "Microsoft.Compute"
_OF_A_RESOURCE = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)(/resourceGroups/(?P<group>[^/]+))?/providers/Microsoft\.Compute"
    r"/(?P<kind>disks|snapshots)(/(?P<name>[^/]+)(/(?P<verb>\w+))?)?/?",
    re.IGNORECASE,
)
_OF_AN_OPERATION = re.compile(
    r"(?P<scope>/subscriptions/[^/]+)/providers/Microsoft\.Compute/locations/[^/]+/DiskOperations/(?P<id>[^/]+)/?",
    re.IGNORECASE,
)
POLLING = "DiskOperations - Get"
# The names of the REST reference, and the action that each needs.
_RESOURCE = {
    ("GET", ""): ("Get", "read"),
    ("PUT", ""): ("Create Or Update", "write"),
    ("DELETE", ""): ("Delete", "delete"),
    ("POST", "begingetaccess"): ("Grant Access", "beginGetAccess/action"),
    ("POST", "endgetaccess"): ("Revoke Access", "endGetAccess/action"),
}


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is for.

    Attributes:
        operation: the operation's name in the REST reference, "Snapshots - Grant Access".
        kind: of what.
        subscription: the subscription's id.
        group: the resource group's name; None for a whole subscription.
        name: the resource's name, or the id of the operation that is polled; empty for a list.
        action: the action that a role must permit, "snapshots/write".
    """

    operation: str
    kind: Kind
    subscription: str
    group: str | None
    name: str
    action: str

    @property
    def scope(self) -> str:
        """The id of the resource, the group or the subscription, at which the action must be permitted."""
        if self.operation != POLLING and self.name and self.group:
            return ResourceId(self.subscription, self.group, self.kind, self.name).text
        group = f"/resourceGroups/{self.group}" if self.group else ""
        return f"/subscriptions/{self.subscription}{group}"


def find_target(method: str, path: str) -> Target | None:
    """Find out what a request is for; None for what is not here."""
    if method == "GET" and (match := _OF_AN_OPERATION.fullmatch(path)):
        subscription = match["scope"].rpartition("/")[2]
        return Target(POLLING, "disks", subscription, None, match["id"], "locations/DiskOperations/read")
    match = _OF_A_RESOURCE.fullmatch(path)
    if match is None:
        return None
    kind: Kind = "disks" if match["kind"].lower() == "disks" else "snapshots"
    subscription, group, name = match["subscription"], match["group"], match["name"] or ""
    if not name:
        which = "List By Resource Group" if group else "List"
        found = (which, "read") if method == "GET" else None
    else:
        found = _RESOURCE.get((method, (match["verb"] or "").lower())) if group else None
    if found is None:
        return None
    return Target(f"{kind.capitalize()} - {found[0]}", kind, subscription, group, name, f"{kind}/{found[1]}")


def name_operation(method: str, path: str, _query: Mapping[str, str], _headers: Mapping[str, str]) -> str:
    """Name a request's operation as the REST reference does; "METHOD path" if it is not known here."""
    target = find_target(method, path)
    return target.operation if target else f"{method} {path}"


@dataclass(slots=True)
class ArmRequest:
    """A request that may be answered.

    Attributes:
        request: its record.
        target: what it is for.
        caller: who makes it.
        body: its body.
        storage_url: the address at which the accounts of managed disks are.
        failure: the error with which its operation is to end, for a fault.
    """

    request: Request
    target: Target
    caller: Principal
    body: bytes
    storage_url: str
    failure: ArmError | None = None

    @property
    def api_version(self) -> str:
        """Its `api-version`."""
        return self.request.query["api-version"]

    @property
    def resource(self) -> ResourceId:
        """The id of the disk or snapshot that it is for."""
        return ResourceId(self.target.subscription, self.target.group or "", self.target.kind, self.target.name)

    @property
    def action(self) -> str:
        """The action that it needs."""
        return self.target.action

    def json(self) -> dict[str, Any]:
        """Read its body.

        Raises:
            ArmError: it is no JSON object.
        """
        try:
            body = json.loads(self.body)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise ArmError(
                400, "InvalidRequestContent", "The request content was invalid and could not be deserialized."
            )
        return body

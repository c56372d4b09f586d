"""What all parts of the managed disks share: the resources, the SASs, the clock and the behaviour."""

import secrets
import string
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from .access import Access
from .arm_errors import ArmError
from .behaviour import Behaviour
from .clock import Clock
from .resource_ids import Kind, ResourceId
from .resources import Disk, Resource, Snapshot

_LETTERS = string.ascii_lowercase + string.digits


class Granted(NamedTuple):
    """A SAS, and what it is of."""

    access: Access
    resource: Resource


@dataclass(slots=True)
class Store:
    """The state of the managed disks of all subscriptions.

    Attributes:
        subscriptions: the ids of the subscriptions, in lower case.
        groups: the ids of the resource groups, in lower case.
        resources: disks and snapshots by the lower-case id.
        granted: all SASs ever granted, by their policy.
        behaviour: limits, times and habits.
        clock: the time.
    """

    subscriptions: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    resources: dict[str, Resource] = field(default_factory=dict)
    granted: dict[str, Granted] = field(default_factory=dict)
    behaviour: Behaviour = field(default_factory=Behaviour)
    clock: Clock = field(default_factory=Clock)

    def add(self, resource: Resource) -> None:
        """Keep a resource, in place of one that has its id."""
        self.resources[resource.id.key] = resource

    def remove(self, resource: Resource) -> None:
        """Forget a resource, and its SAS."""
        if self.resources.get(resource.id.key) is resource:
            del self.resources[resource.id.key]
        self.revoke(resource)

    def revoke(self, resource: Resource) -> None:
        """End all SASs of a resource."""
        resource.access = None
        for access, of in self.granted.values():
            if of is resource:
                access.is_revoked = True

    def reset(self) -> None:
        """Forget everything, and behave as at first."""
        for kept in (self.subscriptions, self.groups, self.resources, self.granted):
            kept.clear()
        first = Behaviour()
        for name in Behaviour.__slots__:
            setattr(self.behaviour, name, getattr(first, name))
        self.clock.reset()

    def get(self, wanted: ResourceId) -> Resource:
        """Return a resource.

        Raises:
            ArmError: ResourceNotFound; or that its resource group or subscription is not there.
        """
        self.check_scope(wanted.subscription, wanted.group)
        found = self.resources.get(wanted.key)
        if found is None:
            message = f"The Resource 'Microsoft.Compute/{wanted.kind}/{wanted.name}' under resource group"
            more = "For more details please go to https://aka.ms/ARMResourceNotFoundFix"
            raise ArmError(404, "ResourceNotFound", f"{message} '{wanted.group}' was not found. {more}")
        return found

    def check_scope(self, subscription: str, group: str | None) -> None:
        """Require that a subscription, and a resource group if one is named, are there.

        Raises:
            ArmError: SubscriptionNotFound, ResourceGroupNotFound.
        """
        if subscription.lower() not in self.subscriptions:
            raise ArmError(404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found.")
        if group and f"/subscriptions/{subscription}/resourcegroups/{group}".lower() not in self.groups:
            raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")

    def disks(self) -> Iterator[Disk]:
        """Give all disks."""
        return (found for found in self.resources.values() if isinstance(found, Disk))

    def snapshots(self) -> Iterator[Snapshot]:
        """Give all snapshots."""
        return (found for found in self.resources.values() if isinstance(found, Snapshot))

    def listed(self, kind: Kind, subscription: str, group: str | None) -> list[Resource]:
        """Return what a list shows, in the order of names."""
        return sorted(
            (
                found
                for found in self.resources.values()
                if found.id.kind == kind
                and found.id.subscription.lower() == subscription.lower()
                and (group is None or found.id.group.lower() == group.lower())
            ),
            key=lambda found: found.id.key,
        )

    def grant(self, access: Access, resource: Resource) -> Access:
        """Make a SAS valid."""
        resource.access = access
        self.granted[access.policy] = Granted(access, resource)
        return access

    def end_expired(self, resource: Resource) -> None:
        """Let go of a SAS that has expired, if the behaviour is so."""
        access = resource.access
        if access and not self.behaviour.expired_access_lingers and access.expires_at <= self.clock.now():
            resource.access = None


def new_path(prefix: str, blob: str) -> str:
    """Make up a path as the storage of managed disks has: its account, a container, and a fixed name of the blob."""
    account, container = ("".join(secrets.choice(_LETTERS) for _ in range(12)) for _ in range(2))
    return f"/{prefix}{account}/{container}/{blob}"


def new_id() -> str:
    """Make up an id."""
    return str(uuid.uuid4())

"""The probes of managed disks, by identities that may do enough, too little, or more than is to be proved."""

from pathlib import Path

import pytest

from infra.local.gateway.roles import Role
from infra.local.local_azure import APP
from infra.local.managed_disks import SUBSCRIPTION, ManagedDisks
from infra.local.managed_disks.arm_request import find_target
from tests.conformance.real.verdicts import Verdict
from tests.local.disk_probes import GROUP_ID, Prober, told

ROLE = Role.read(Path(__file__).parents[2] / "infra" / "roles" / "managed-disk-prover.json")


async def test_the_role_for_it_is_enough_for_all_of_them_on_the_group_and_has_nothing_to_spare(
    prober: Prober, managed: ManagedDisks
) -> None:
    managed.roles.clear()
    managed.give(APP, ROLE, GROUP_ID)
    found = await prober.found()
    assert {each.verdict for each in found if each.name != "disk-diff-pages"} == {Verdict.HOLDS}, told(found)
    asked = [find_target(each.method, each.path) for each in managed.resource_manager.requests]
    assert {f"Microsoft.Compute/{target.action}" for target in asked if target} == set(ROLE.actions)


@pytest.mark.nightly
async def test_a_role_on_the_group_is_enough_to_poll_or_is_not(prober: Prober, managed: ManagedDisks) -> None:
    everything = Role("Everything here", ("*",))
    managed.roles.clear()
    given = managed.give(APP, everything, GROUP_ID)
    verdict, seen = await prober.one("disk-polling")
    assert verdict is Verdict.HOLDS, seen
    assert "it may not list the disks of the subscription: its role is on the group" in seen
    managed.behaviour.polling_needs_role = True
    verdict, seen = await prober.one("disk-polling")
    assert verdict is Verdict.DIFFERS
    assert "no role permits Microsoft.Compute/locations/DiskOperations/read" in seen
    managed.roles.take(given)
    managed.give(APP, everything)
    verdict, seen = await prober.one("disk-polling")
    assert verdict is Verdict.NOT_SETTLED
    assert "this identity's role may be on the subscription" in seen


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("lacking", "named"),
    [
        ("disks/write", "Microsoft.Compute/disks/write"),
        ("snapshots/beginGetAccess/action", "Microsoft.Compute/snapshots/beginGetAccess/action"),
        ("disks/beginGetAccess/action", "Microsoft.Compute/disks/beginGetAccess/action"),
    ],
)
async def test_a_role_that_lacks_an_action_is_told_which(
    prober: Prober, managed: ManagedDisks, lacking: str, named: str
) -> None:
    actions = [
        f"{kind}/{what}"
        for kind in ("disks", "snapshots")
        for what in ("read", "write", "delete", "beginGetAccess/action", "endGetAccess/action")
    ]
    managed.roles.clear()
    managed.give(APP, Role("Some", tuple(f"Microsoft.Compute/{a}" for a in actions if a != lacking)), GROUP_ID)
    verdict, seen = await prober.one("disk-second-access")
    assert verdict is Verdict.NOT_TRIED
    assert seen.startswith(f"no role of this identity permits {named}")
    assert SUBSCRIPTION not in seen

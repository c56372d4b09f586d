"""Running the probes of managed disks against the local resource manager."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from infra.local.managed_disks import GROUP, SUBSCRIPTION
from tests.conformance.real.bound import bound_of
from tests.conformance.real.ground import SMALL, Accounts, Ground, take_away
from tests.conformance.real.managed.clean_up import take_away_disks
from tests.conformance.real.managed.order import OF_DISKS
from tests.conformance.real.managed.place import DiskPlace
from tests.conformance.real.names import new_name
from tests.conformance.real.probe import Finding
from tests.conformance.real.running import run_probes
from tests.conformance.real.verdicts import Verdict
from tests.conformance.real.witness import Witness

GROUP_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"


@dataclass(frozen=True)
class Prober:
    """Runs probes, small ones, and deletes what they made."""

    accounts: Accounts
    place: DiskPlace | None

    async def found(self, *names: str) -> list[Finding]:
        """Run the probes of these names, or all; give what they find."""
        found: list[Finding] = []
        name, made = new_name(), list[str]()
        witness = Witness(bound_of(self.accounts, 1, with_suite=False, with_disks=True, scale=SMALL).bounds())
        chosen = [probe for probe in OF_DISKS if probe.name in names or not names]
        try:
            async with Ground.opened(name, self.accounts, witness, SMALL, disks=self.place, made=made) as ground:
                await run_probes(ground, found.append, chosen)
        finally:
            if self.place:
                assert await take_away_disks(name, self.place, made, SMALL.disks) == []
            assert await take_away(name, self.accounts) == []
        return found

    async def one(self, name: str) -> tuple[Verdict, str]:
        """Run one probe; give its verdict and what it has seen."""
        [finding] = await self.found(name)
        return finding.verdict, "\n".join(finding.seen)

    def beside(self, written: str) -> "Prober":
        """Give the same, with a disk that a VM writes to."""
        assert self.place
        return replace(self, place=DiskPlace.parse(GROUP_ID, self.place.region, written, self.place.url))


def told(found: Sequence[Finding]) -> str:
    return "\n".join(f"{each.name}: {each.verdict}: {'; '.join(each.seen)}" for each in found)

"""A history: ticks, deliveries, guests, people and faults, in an order that its seed decides; then calm."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus

from shared.azure.tables.retention_rows import row_of
from shared.azure.tables.rows import from_row
from shared.model.disk import Disk, PageBlobDisk
from shared.model.fitness import backup_problem
from shared.model.inspection import INSPECTION_KINDS, Inspection
from shared.model.job import Stage
from shared.model.names import DRILL_METADATA
from shared.model.record import DiskRecord
from shared.model.retention import rules_in_zone
from shared.model.retention_plan import PlanOnRecord
from shared.model.retention_rules import Rules
from shared.model.run import Kind
from shared.model.schema import is_known
from tests.simulation import model, ticks
from tests.simulation.admins import Admins
from tests.simulation.blobs import Blob
from tests.simulation.calls import CHANGE_FATES, Calls
from tests.simulation.disaster import lose_the_table, wrong_after_rebuild
from tests.simulation.hands import SIZES, Hands
from tests.simulation.host import FUNCTION_TIMEOUT, LATE_AT_MOST, Host, WrongError
from tests.simulation.managed.machines import Machines
from tests.simulation.operators import Operators, wrong_intents
from tests.simulation.people import People
from tests.simulation.reports import wrong_reports
from tests.simulation.services import EXCLUDE
from tests.simulation.world import DISKS, World

ACTIONS = 500
"""Actions of a history before it calms down."""

MOST_ACTIONS_OF_A_TICK = 60_000
"""Actions within which all is done that a tick has started, when nothing goes wrong.

What waits for the next tick is looked at every ten minutes, by as many messages as were delivered twice before.
"""

MOST_MESSAGES = 250
"""Messages that may wait at once: more than a few for each run, tick, restore and inspection, and their duplicates."""

TICKS_TO_RECOVER = 3
"""Ticks within which every disk has a new recovery point once nothing goes wrong any more."""

_TICK = timedelta(hours=12)
_SLOW = 0.15
"""In which part of the histories source snapshots may take a while until they can be read, as those of some disks."""

_NAMES = (*[("os", "data")] * 6, ("o" * 960, "\N{CJK UNIFIED IDEOGRAPH-78C1}" * 90))
"""Names of disks; of the last two the backups, and their full copies, have names and URLs nearly as long as may be."""

_RULES = (*[""] * 4, "last=1", "last=1 damaged=1h", "last=2", "within=1h daily=1")
"""What histories keep; half of them all."""

_GAPS = (0, 1, 2, 120)
"""The longest gaps that are coalesced, in KiB, of two pages each."""

_MODES = ("incremental", "incremental", "incremental", "full")


class History:
    """One history, all of it decided by its seed.

    Attributes:
        world: what it is about.
        host: what runs the functions.
    """

    def __init__(self, seed: int) -> None:
        self._rng = rng = random.Random(seed)
        self.world = World()
        blobs = [DISKS.blob(f"{name}.vhd") for name in rng.choice(_NAMES)[: rng.choice((1, 1, 2))]]
        for blob in blobs:
            self.world.blobs[blob] = _new_disk(self.world, rng)
        fates = rng.sample(CHANGE_FATES, rng.randint(1, len(CHANGE_FATES)))
        rate = rng.choice((0.003, 0.01, 0.03, 0.1))
        self._calls = Calls(rng, self.world.call_passed, fates, rate=rate)
        self._modes = {blob.url: rng.choice(_MODES) for blob in blobs if rng.random() < 0.7}
        if not self._modes or rng.random() < 0.5:
            self._modes[DISKS.blob("*.vhd").url] = rng.choice(_MODES)
        if rng.random() < 0.15:
            self.world.premium.add(DISKS.account)
        self._switches = rng.random() < 0.2
        self._administers = rng.random() < 0.3
        self._inspects = rng.random() < 0.4
        # Of a generator of its own: what a seed decided before there was a retention, it decides as before.
        self._retention = random.Random(f"retention {seed}").choice(_RULES)
        if (slow := random.Random(f"slow {seed}")).random() < _SLOW:
            self.world.takes = lambda: timedelta(hours=slow.choice((0, 0, 0.01, 0.2, 0.5)))
        disks: list[Disk] = [PageBlobDisk(blob) for blob in blobs]
        self._machines = Machines(self.world, random.Random(f"managed {seed}"), self._modes)
        if self._machines.disks:
            disks = [*self._machines.disks, *(disk for disk in disks if self.world.content(disk))]
        self._none_late = self.world.now
        gap = random.Random(f"coalescing {seed}").choice(_GAPS)
        self.host = Host(
            self.world, self._calls, rng, self._modes, retention=self._retention, coalesce_gap_kib=f"{gap}"
        )
        if self._retention and seed % 3:
            self._approve_at_first(disks)
        self._hands = Hands(self.world, rng)
        self._people = People(self.world, rng, disks)
        self._admins = Admins(self.world, rng, self._modes)
        self._operators = Operators(self.world, rng, disks)

    @property
    def tried(self) -> Counter[str]:
        """How often each kind of fault was tried so far."""
        return self._calls.befell + self._hands.did + self._machines.did

    def play(self) -> None:
        """Play it from its beginning to its calm end.

        Raises:
            WrongError: something is not as it must be.
        """
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(lambda _loop, _context: None)  # what a dead invocation leaves unread
        try:
            loop.run_until_complete(self._play())
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    def _approve_at_first(self, disks: list[Disk]) -> None:
        """Have the rules approved for the disks before the first plan, so that nothing of it waits."""
        rules, zone = Rules.parse(self._retention), self.host.settings.retention_zone
        for disk in disks:
            new = PlanOnRecord.new(disk, self.world.now)
            approved = replace(new, approved_rules=rules_in_zone(rules, zone), approved=self.world.now)
            self.world.plans[disk.key] = (row_of(approved), f"{self.world.number()}")

    async def _play(self) -> None:
        try:
            await self._disturb()
            self.world.calm_since = self.world.now
            await self._recover()
            end = self._rng.choice((None, None, self._restore_at_last, self._lose_the_table))
            if end:
                await end()
        finally:
            await self.host.stop()

    async def _disturb(self) -> None:
        """Have everything go wrong for a while, then let it calm down."""
        for _ in range(ACTIONS):
            await self._do(self._chaos())
        self._calls.rate = 0
        self._machines.calm_down()
        self.world.refusing.clear()
        if self.world.source_answers == HTTPStatus.SERVICE_UNAVAILABLE:
            self.world.source_answers = HTTPStatus.OK  # nobody is busy for ever
        self.host.go_on()
        while self.host.running or self._calls.late:
            await self._do(self._calming())
        if self._hands.is_anothers:
            self._hands.take_back()
            await self._settle()

    async def _recover(self) -> None:
        """Have every disk backed up anew, with nobody's help, and nothing left behind."""
        since = self.world.time()
        for _ in range(TICKS_TO_RECOVER):
            next_tick = self.world.now + _TICK
            self.host.tick()
            await self._settle(lambda: self.world.now >= next_tick)  # noqa: B023 - asked in this round only
            if not self.host.has_work():
                self._require_nothing(list(ticks.wrong_after_tick(self.world, self.host.last_tick)))
            if not (self._without_point(since) or self._open_inspections() or self._scratch_blobs() or self._waits()):
                break
            self.world.now = max(self.world.now, next_tick)
        else:
            disks = [disk.name for disk in self._without_point(since)]
            left = [*(found.row_key for found in self._open_inspections()), *self._scratch_blobs(), *self._waits()]
            raise WrongError(f"no new recovery point within {TICKS_TO_RECOVER} ticks: {disks}, or no end of {left}")
        self._require_nothing(list(model.wrong_at_rest(self.world)))
        self._require_nothing(list(ticks.wrong_absences(self.world, self.host.settings, self.host.last_tick)))
        self._require_nothing(list(ticks.wrong_silence(self.world, self.host.settings, self.host.last_tick)))
        self._require_nothing(list(wrong_reports(self.world, self.host.settings, self.host.last_tick)))

    async def _settle(self, is_time: Callable[[], bool] | None = None) -> None:
        """Let the queues and the copies come to rest, or go on until it is time; if none is, the timer goes off."""
        began = self.world.now
        for _ in range(MOST_ACTIONS_OF_A_TICK):
            if not (self.host.running or self.world.pending()) and (
                not self.host.has_work() or (is_time is not None and is_time())
            ):
                return
            if is_time is None and self.world.now - max(began, self.host.last_tick) >= _TICK:
                self.host.tick()
            await self._do(self._calm())
        raise WrongError("the queues never come to rest")

    async def _restore_at_last(self) -> None:
        """Have somebody ask for a restore that has no reason to fail; it is done, and its disk is backed up."""
        if not self._people.ask_for_what_there_is():
            return
        await self._settle()
        last = list(self.world.restore_rows())[-1]
        if last.state is not Stage.DONE:
            raise WrongError(f"{last.restore} is {last.state}: {last.reason or last.last_error}")
        await self._recover()

    async def _lose_the_table(self) -> None:
        """Have the whole table lost and the catalogue rebuilt; then all is as before."""
        before = lose_the_table(self.world)
        if self._rng.random() < 0.3:
            self._hands.backup_is_written()
        for _ in range(self._rng.choice((1, 1, 2))):
            self.host.rebuild()
            await self._settle()
        self._require_nothing(list(wrong_after_rebuild(self.world, self.host.settings, before)))
        await self._restore_at_last()
        await self._recover()

    def _open_inspections(self) -> list[Inspection]:
        """List the verifies and drills that have not ended: one whose timer died is found by a later tick."""
        return [found for found, _ in self.world.inspections.values() if not found.has_ended]

    def _waits(self) -> list[str]:
        """Say what waits for ticks.

        Intents and runs of a disk that is not due; what a retired disk has left; the claim of a restore that ended.
        """
        records = [from_row(DiskRecord, entity) for entity, _ in self.world.records.values() if is_known(entity)]
        left = [
            f"the source snapshots of {found.disk}" for found in records if found.retired and not found.retired_clean
        ]
        claimed = [f"the claim of {found.restore} to {found.disk}" for found in records if found.restore]
        runs = [f"run {found.run.snapshot} of {found.disk}" for found in records if found.run]
        return [*wrong_intents(self.world), *left, *claimed, *runs]

    def _scratch_blobs(self) -> list[str]:
        """List the scratch blobs of drills: one that a late copy makes anew is deleted by a later tick."""
        return [address.blob for address, blob in self.world.blobs.items() if DRILL_METADATA in blob.metadata]

    def _without_point(self, since: str) -> list[Disk]:
        """List the disks of which no run has made a recovery point since then, though they can be backed up.

        Of one that can't be, such as a restored disk whose mode became `full`, the last tick has told its owner.
        """
        disks = [disk for disk in model.backed_up(self.world, self.host.settings) if not self._is_told_unfit(disk)]
        made = {
            disk: [point.time for point in self.world.points_of(disk) if point.kind != Kind.RESTORE] for disk in disks
        }
        return [disk for disk, times in made.items() if not times or max(times) <= since]

    def _is_told_unfit(self, disk: Disk) -> bool:
        settings, record = self.host.settings, self.world.record(disk)
        problem = backup_problem(disk, settings.container, settings.mode_of(disk))
        return bool(problem and record and ticks.is_told_unfit(record, self.host.last_tick))

    def _require_nothing(self, wrong: list[str]) -> None:
        if wrong:
            raise WrongError("; ".join(wrong))

    async def _do(self, actions: dict[Callable[[], None], float]) -> None:
        """Do one of some actions, by their weights; then let every invocation run up to its next call."""
        [action] = self._rng.choices(list(actions), list(actions.values()))
        action()
        await self.host.run()
        self._end_what_lasts()
        if len(self.world.messages) > MOST_MESSAGES:
            raise WrongError(f"{len(self.world.messages)} messages wait: they multiply")
        self._require_nothing(self.world.violations)

    def _end_what_lasts(self) -> None:
        """End what no service and no host lets last: calls that are late for an hour, and invocations that hang."""
        if not self._calls.late:
            self._none_late = self.world.now
        while self._calls.late and self.world.now - self._none_late > LATE_AT_MOST:
            self._land()
        self.host.end_what_hangs()

    def _calm(self) -> dict[Callable[[], None], float]:
        """What happens when nothing goes wrong."""
        return self._daily() | ({self._hands.copy_ends_well: 3} if self.world.pending() else {})

    def _daily(self) -> dict[Callable[[], None], float]:
        actions: dict[Callable[[], None], float] = {self._hands.guest_writes: 1}
        if self._calls.ready():
            actions[self._calls.give_turn] = 30
        if self.host.can_deliver():
            actions[self.host.deliver] = 10
        elif self.host.is_idle():
            actions[self.host.pass_time] = 10
        return actions

    def _calming(self) -> dict[Callable[[], None], float]:
        """What still happens when nothing goes wrong any more: late calls land."""
        return self._calm() | ({self._land: 3} if self._calls.late else {})

    def _chaos(self) -> dict[Callable[[], None], float]:
        """What happens while all goes wrong that can."""
        actions = self._daily() | self._retaining() | {self.host.tick: 0.1, self._time_is_lost: 0.05}
        if self._calls.late:
            actions[self._land] = 0.5
        if self.host.running:
            actions[self.host.pause_or_go_on] = 0.3
        if self.host.delivered:
            actions[self.host.deliver_again] = 0.3
        if self._hands.foreign:
            actions[self._hands.foreign_hand] = self._hands.zeal
        if self._machines.zeal:
            actions[self._machines.befall] = self._machines.zeal
        if self._people.haste:
            actions[self._people.ask] = self._people.haste
        if self._operators.haste:
            actions[self._operators.ask] = self._operators.haste
        if self._inspects:
            actions[self._people.ask_for_an_inspection] = 0.2
            actions[lambda: self.host.inspect(self._rng.choice(INSPECTION_KINDS))] = 0.1
        if self.world.pending():
            actions[self._hands.copy_goes_on] = 2
        return actions | self._changes_of_settings()

    def _changes_of_settings(self) -> dict[Callable[[], None], float]:
        """What admins do."""
        switches: dict[Callable[[], None], float] = {self._switch_mode: 0.2} if self._switches else {}
        return switches | ({self._admins.change_settings: 0.15, self._admins.retire: 0.05} if self._administers else {})

    def _retaining(self) -> dict[Callable[[], None], float]:
        """What happens where recovery points are deleted."""
        actions: dict[Callable[[], None], float] = {self._people.retain: 0.3} if self._retention else {}
        return actions | ({self._people.approve: 1} if self._people.has_to_approve() else {})

    def _time_is_lost(self) -> None:
        self.world.now += self._rng.random() * (FUNCTION_TIMEOUT if self.host.running else _TICK)

    def _land(self) -> None:
        self._calls.land()
        self.world.landed = self.world.now

    def _switch_mode(self) -> None:
        """Have an admin change how a disk is backed up."""
        named = [url for url, mode in self._modes.items() if mode != EXCLUDE]
        self._modes[self._rng.choice(named)] = self._rng.choice(_MODES)


def _new_disk(world: World, rng: random.Random) -> Blob:
    size = rng.choice(SIZES)
    pages = [rng.choice((None, None, 1)) for _ in range(size)]
    return Blob(pages, world.number, tracked=rng.random() < 0.5)

"""The timer trigger's listener."""

import asyncio
import json
from datetime import UTC, datetime

from infra.local.host.bindings import Function, TimerTrigger
from infra.local.host.invocations import Invocations
from infra.local.host.protos import TypedData
from infra.local.host.waiting import happens_within

# Long waits are split, so that a changed clock or a suspended machine does not delay a tick.
_LONGEST_WAIT_SECONDS = 60.0
_NEVER = datetime.min.replace(tzinfo=UTC)


class TimerListener:
    """Runs a function whenever its schedule is due, one run at a time.

    Ticks during a run lead to one run right after it. As in Azure, a scheduled run is told as `Next` when it was due
    itself (azure-functions-dotnet-worker, issue 954), and any other when the next is. The host keeps no state: ticks
    missed while it was down are not caught up on, and `IsPastDue` is always false.
    """

    def __init__(self, function: Function, trigger: TimerTrigger, invocations: Invocations) -> None:
        self._function = function
        self._trigger = trigger
        self._invocations = invocations
        self._last = _NEVER
        self._stopped = asyncio.Event()

    async def listen(self) -> None:
        """Run the function on its schedule until `stop` is called."""
        due = self._trigger.schedule.after(datetime.now(UTC))
        if self._trigger.run_on_startup:
            await self._invocations.begin(self._run(due, "run on startup"))
        while not self._stopped.is_set():
            now = datetime.now(UTC)
            if now < due:
                await happens_within(self._stopped, min((due - now).total_seconds(), _LONGEST_WAIT_SECONDS))
                continue
            was_due, due = due, self._trigger.schedule.after(now)
            await self._invocations.begin(self._run(was_due, "schedule"))

    def stop(self) -> None:
        """Start no more runs."""
        self._stopped.set()

    async def start_by_admin(self) -> None:
        """Run the function now; as in Azure, this may overlap a scheduled run."""
        await self._run(self._trigger.schedule.after(datetime.now(UTC)), "admin")

    async def _run(self, due: datetime, reason: str) -> None:
        last, self._last = self._last, datetime.now(UTC)
        status = {"Last": last.isoformat(), "LastUpdated": last.isoformat(), "Next": due.isoformat()}
        request = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": status if self._trigger.monitored else None,
            "IsPastDue": False,
        }
        await self._invocations.run(self._function, TypedData(json=json.dumps(request)), {}, reason=reason)

"""Where the time goes from a tick to its recovery point: `.venv/bin/python -m tests.benchmarks.latency`.

The whole app backs up a disk with little change on the local Azure, by a managed identity. For each step it prints when
it began, how long it took, and what it waited for: a delay that the app asked for, or the platform, which looks into
its queues every 2 seconds at most. A table in Markdown. It exits with 1 if a delay of the app was longer than a second.
"""
# ruff: noqa: T201 - speaks to a person at a terminal

import asyncio
import contextlib
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from infra.local.gateway import Interceptor
from infra.local.gateway.interceptor import ServiceCall
from infra.local.gateway.roles import BLOB_DATA_CONTRIBUTOR
from infra.local.identity_azure import run_identity_azure
from infra.local.local_azure import DISKS
from tests.app.cloud import MIB, Cloud, pages
from tests.benchmarks.calls import metered, written

DATA = 128 * MIB
BACKUPS = 3
"""How many backups with little change are measured, after the first backup."""

LONGEST_DELAY = timedelta(seconds=1.1)
"""A second, and how much later the queue may have got the message than the app has sent it."""

_STEPS = ("take_snapshots", "plan_changes", "copy_ranges", "finish_backup")
_LINE = re.compile(r"(\S+Z) .* host: invocation-(start|end) function=(\S+) invocation=(\S+)")
_EVENT = re.compile(r'(\S+Z) .*"event": ?"(snapshots-taken|run-opened|batch-done|run-sealed)"')
_NOTHING = timedelta()


class Sent(NamedTuple):
    """A message that the app has sent.

    Attributes:
        at: when, UTC.
        due: when it became visible, UTC.
    """

    at: datetime
    due: datetime


class Step(NamedTuple):
    """An invocation.

    Attributes:
        function: its function.
        begun, ended: when, UTC.
    """

    function: str
    begun: datetime
    ended: datetime


class Mailbox:
    """What the app has sent, by the function that it is for."""

    def __init__(self) -> None:
        self.sent: defaultdict[str, list[Sent]] = defaultdict(list)

    def note(self, call: ServiceCall) -> bool:
        """Note a message as it arrives."""
        if call.request.operation == "Put Message":
            queue, now = call.request.path.split("/")[2], datetime.now(UTC)
            delay = timedelta(seconds=int(call.request.query.get("visibilitytimeout", 0)))
            self.sent[queue.replace("-", "_")].append(Sent(now, now + delay))
        return False


def steps(log: Path) -> Iterator[Step]:
    """Read the invocations of a run from the host's log, in the order of their ends."""
    begun: dict[str, datetime] = {}
    for line in log.read_text().splitlines():
        if found := _LINE.match(line):
            at, what, function, invocation = found.groups()
            if what == "start":
                begun[invocation] = datetime.fromisoformat(at)
            elif function in _STEPS:
                yield Step(function, begun[invocation], datetime.fromisoformat(at))


def milestones(log: Path, since: datetime) -> Iterator[tuple[str, datetime]]:
    """Read from the host's log what the app says of itself since a time."""
    for line in log.read_text().splitlines():
        if (found := _EVENT.match(line)) and (at := datetime.fromisoformat(found[1])) >= since:
            yield found[2], at


def shown(run: list[Step], mailbox: Mailbox, log: Path) -> timedelta:
    """Print the steps of a run as rows; return the longest idle time that a delay of the app has made."""
    tick, busy_until, longest = run[0].begun, run[0].begun, _NOTHING
    for step in run:
        sent = mailbox.sent[step.function].pop(0) if step.function != _STEPS[0] else Sent(tick, tick)
        delayed = max(_NOTHING, min(sent.due, step.begun) - max(busy_until, sent.at))
        waited = max(_NOTHING, step.begun - max(sent.due, sent.at))
        cells = (step.begun - tick, step.ended - step.begun, delayed, waited)
        print(f"| {step.function} | {' | '.join(f'{cell.total_seconds():.2f}' for cell in cells)} |")
        longest = max(longest, delayed)
        if step.function != _STEPS[0]:  # what is left to do of a tick keeps no run waiting
            busy_until = max(busy_until, step.ended)
    for event, at in milestones(log, tick):
        print(f"| `{event}` | {(at - tick).total_seconds():.2f} | | | |", flush=True)
    return longest


async def measure() -> bool:
    """Run and print; return whether no delay of the app was too long."""
    longest = _NOTHING
    async with contextlib.AsyncExitStack() as stack:
        azure = await stack.enter_async_context(run_identity_azure())
        cloud = Cloud(azure, Path(stack.enter_context(tempfile.TemporaryDirectory())), stack)
        await cloud.open()
        disk = await written(cloud, DATA)
        azure.give_app(BLOB_DATA_CONTRIBUTOR, f"/{DISKS.name}/{cloud.container}")
        async with metered(azure, cloud, disk) as meter:
            print("| step | begins, s | takes, s | waits for the app, s | for the platform, s |")
            print("|---|---:|---:|---:|---:|")
            for number in range(BACKUPS + 1):
                await disk.write(number * MIB, pages(1, seed=number))
                await meter.rest()
                before, mailbox = len(list(steps(cloud.log))), Mailbox()
                azure.queue_proxy.interceptor = Interceptor(mailbox.note, 0, "before", lambda: None)
                await meter.app.back_up(disk)
                await meter.rest()
                if number:  # the first backup is to warm up
                    run = sorted(list(steps(cloud.log))[before:], key=lambda step: step.begun)
                    longest = max(longest, shown(run, mailbox, cloud.log))
    return longest <= LONGEST_DELAY


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(measure()) else 1)

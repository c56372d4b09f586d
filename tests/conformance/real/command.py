"""Prove Tidemark's assumptions on your own storage accounts: `python3 infra/local prove --account NAME ...`."""
# ruff: noqa: T201 - speaks to a person at a terminal

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence

from azure.core.exceptions import AzureError

from tests.conformance.real.accounts import Account
from tests.conformance.real.ground import FULL, Ground, Scale, take_away
from tests.conformance.real.managed.clean_up import take_away_disks
from tests.conformance.real.on_azure import Run
from tests.conformance.real.order import PROBES
from tests.conformance.real.plan import PROGRAM, Plan, announcement, arguments_of, plan_of
from tests.conformance.real.probe import Finding
from tests.conformance.real.report import Report, markdown
from tests.conformance.real.running import run_probes
from tests.conformance.real.suite import run_suite
from tests.conformance.real.witness import Witness

DIFFERS, WRONG, REFUSED, STOPPED = 1, 2, 3, 130


def main(arguments: Sequence[str] | None = None, *, scale: Scale = FULL) -> int:
    """Run the command; return its exit code.

    0: all that was tried holds; 1: something does not, or is left; 2: the command line is wrong; 3: not confirmed;
    130: broken off.
    """
    options = arguments_of(arguments)
    try:
        plan = plan_of(options, os.environ, scale)
    except ValueError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return WRONG
    print(plan.redact("\n".join(announcement(plan))), flush=True)
    if not (options.yes or confirmed()):
        print("Nothing was created. To go ahead: add --yes, or answer yes.", file=sys.stderr)
        return REFUSED
    return carry_out(plan)


def confirmed() -> bool:
    """Ask a person; where there is none the answer is no."""
    return sys.stdin.isatty() and input("Go ahead? [yes/no] ").strip().lower() == "yes"


def carry_out(plan: Plan) -> int:
    """Run the probes and the suite, take away what they made, and write the report; return the exit code."""
    report = Report(plan.name, environment={"region": plan.region or "not given"})
    until = time.monotonic() + plan.minutes * 60
    was_stopped, made = False, list[str]()
    # As CI ends a job that is cancelled.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        asyncio.run(_probe(plan, report, until, made))
        if plan.with_suite:
            bounds = plan.bound.suite_bounds()
            report.suite += run_suite(Run(plan.name, plan.accounts), until, bounds, plan.suite)
            report.used_by_suite = (bounds.requests_made, bounds.bytes_written)
    except KeyboardInterrupt:
        was_stopped, report.stopped = True, "Ctrl-C, or a signal to end"
    except Exception as error:  # noqa: BLE001 - what was made is still to be taken away, and reported
        report.stopped = f"{type(error).__name__}: {getattr(error, 'error_code', None) or error}"
    finally:
        # Nothing breaks this off: it takes minutes at most, and what it leaves is billed.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print(f"deleting what begins with {plan.name}", flush=True)
        report.left = asyncio.run(_take_away(plan, made))
        signal.signal(signal.SIGINT, before)
    text = markdown(report, plan.redact)
    print(f"\n{text}")
    plan.file.write_text(text, encoding="utf-8")
    print(f"The report is in {plan.file}; attach it to an issue.")
    return STOPPED if was_stopped else 0 if report.is_good else DIFFERS


async def _take_away(plan: Plan, made: list[str]) -> list[str]:
    """Delete all that the run made; give what is left."""
    left = await take_away(plan.name, plan.accounts)
    if plan.disks:
        left += await take_away_disks(plan.name, plan.disks, made, plan.scale.disks)
    return left


async def _probe(plan: Plan, report: Report, until: float, made: list[str]) -> None:
    witness = Witness(plan.bound.bounds())
    chosen = [probe for probe in PROBES if probe.name in plan.probes or not plan.probes]

    def done(finding: Finding) -> None:
        report.probes.append(finding)
        print(plan.redact(f"{finding.name}: {finding.verdict}, {finding.seconds:.1f} s"), flush=True)

    try:
        opening = Ground.opened(plan.name, plan.accounts, witness, plan.scale, disks=plan.disks, made=made)
        async with opening as ground:
            for account in plan.accounts.owned:
                report.environment[account.name] = await _kind_of(ground, account)
            if plan.disks:
                report.environment["managed disks"] = plan.disks.described
            now = asyncio.get_running_loop().time()
            await run_probes(ground, done, chosen, until=now + until - time.monotonic())
    finally:
        report.used = (witness.bounds.requests_made, witness.bounds.bytes_written)


async def _kind_of(ground: Ground, account: Account) -> str:
    """Say what kind of account it is, if the service tells."""
    try:
        about = await ground.service(account).get_account_information()
    except AzureError as error:
        return f"by {account.how}; its SKU is not told: {getattr(error, 'error_code', '')}"
    return f"by {account.how}; {about['sku_name']}, {about['account_kind']}"

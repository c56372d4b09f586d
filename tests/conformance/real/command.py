"""Prove Tidemark's assumptions on your own storage accounts: `python3 infra/local prove --account NAME ...`."""
# ruff: noqa: T201 - speaks to a person at a terminal

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from azure.core.exceptions import AzureError

from tests.conformance.real.accounts import Account
from tests.conformance.real.bound import Bound, bound_of, said
from tests.conformance.real.ground import FULL, Accounts, Ground, Scale, new_name, take_away
from tests.conformance.real.on_azure import Run
from tests.conformance.real.order import PROBES
from tests.conformance.real.probe import Finding
from tests.conformance.real.redaction import Redaction
from tests.conformance.real.report import Report, markdown
from tests.conformance.real.running import run_probes
from tests.conformance.real.suite import run_suite
from tests.conformance.real.witness import Witness

PROGRAM = "python3 infra/local prove"
CONNECTIONS = "TIDEMARK_PROVE_CONNECTIONS"
"""The environment variable with the connection strings: a JSON array of them."""

MINUTES = 45.0
DIFFERS, WRONG, REFUSED, STOPPED = 1, 2, 3, 130


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        name: the run's.
        accounts: the accounts.
        probes: the names of the probes; empty for all.
        with_suite: whether the conformance suite is run.
        suite: which of its statements, as `pytest -k` takes it; empty for all.
        scale: how large the probes are.
        minutes: when to stop.
        region: where the accounts are, as somebody says.
        file: where the report is written.
        redact: takes out what is secret.
    """

    name: str
    accounts: Accounts
    probes: frozenset[str]
    with_suite: bool
    suite: str
    scale: Scale
    minutes: float
    region: str
    file: Path
    redact: Redaction

    @property
    def bound(self) -> Bound:
        return bound_of(self.accounts, self.minutes, with_suite=self.with_suite, scale=self.scale)


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


def arguments_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read a command line; one that is wrong ends the program."""
    return _parser().parse_args(arguments)


def confirmed() -> bool:
    """Ask a person; where there is none the answer is no."""
    return sys.stdin.isatty() and input("Go ahead? [yes/no] ").strip().lower() == "yes"


def plan_of(options: argparse.Namespace, environ: Mapping[str, str], scale: Scale = FULL) -> Plan:
    """Make a plan of a command line.

    Raises:
        ValueError: it can't be carried out; the message shows no secret.
    """
    keyed = _keyed(environ.get(CONNECTIONS, ""))

    def named(name: str) -> Account:
        return keyed.get(name) or Account.by_identity(name, options.suffix)

    def optional(name: str | None) -> Account | None:
        return named(name) if name else None

    if options.account == options.backup_account:
        raise ValueError(
            "--account and --backup-account are to be two accounts: disks are backed up from one to another"
        )
    scoped = None
    if options.scoped_container:
        account, _, container = options.scoped_container.partition("/")
        scoped = (Account.by_identity(account, options.suffix), container)
    accounts = Accounts(
        named(options.account),
        named(options.backup_account),
        optional(options.premium_account),
        optional(options.versioned_account),
        scoped,
    )
    known, probes = {probe.name for probe in PROBES}, frozenset(filter(None, options.only.split(",")))
    if not probes <= known:
        raise ValueError(f"there is no probe {', '.join(sorted(probes - known))}; there are {', '.join(sorted(known))}")
    name = new_name()
    return Plan(
        name=name,
        accounts=accounts,
        probes=probes,
        with_suite=not options.no_suite,
        suite=options.suite,
        scale=scale,
        minutes=options.minutes,
        region=options.region,
        file=Path(options.report or f"{name}.md"),
        redact=Redaction([*accounts.owned, *([scoped[0]] if scoped else [])], short_names=options.short_names),
    )


def announcement(plan: Plan) -> list[str]:
    """Say what will be done, where, and what it costs at most."""
    roles = {"disks": "disks", "backups": "backups, with the queues and tables", "premium": "", "versioned": ""}
    lines = [f"This run is called {plan.name}. It makes only containers, queues and tables whose names begin with that"]
    lines += ["(tables without the hyphens), and deletes them at its end, also on Ctrl-C. It touches nothing else:"]
    for role, what in roles.items():
        account = getattr(plan.accounts, role)
        if account:
            lines.append(f"  {account.name}, by {account.how}: {what or f'the {role} account'}")
    if plan.accounts.scoped:
        account, container = plan.accounts.scoped
        lines.append(f"  {account.name}/{container}: asked for twice, not written to")
    lines.append(
        f"It runs {len(plan.probes or PROBES)} probes{' and the conformance suite' if plan.with_suite else ''}."
    )
    lines.append("Soft delete, if it is on in these accounts, keeps what is deleted for its days.")
    return [*lines, "", *said(plan.bound), ""]


def carry_out(plan: Plan) -> int:
    """Run the probes and the suite, take away what they made, and write the report; return the exit code."""
    report = Report(plan.name, environment={"region": plan.region or "not given"})
    until = time.monotonic() + plan.minutes * 60
    was_stopped = False
    # As CI ends a job that is cancelled.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        asyncio.run(_probe(plan, report, until))
        if plan.with_suite:
            bounds = plan.bound.suite_bounds()
            report.suite += run_suite(Run(plan.name, plan.accounts), until, bounds, plan.suite)
            report.used_by_suite = (bounds.requests_made, bounds.bytes_written)
    except KeyboardInterrupt:
        was_stopped, report.stopped = True, "Ctrl-C, or a signal to end"
    except Exception as error:  # noqa: BLE001 - what was made is still to be taken away, and reported
        report.stopped = f"{type(error).__name__}: {getattr(error, 'error_code', None) or error}"
    finally:
        # Nothing breaks this off: it is short, and what it leaves is billed.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print(f"deleting what begins with {plan.name}", flush=True)
        report.left = asyncio.run(take_away(plan.name, plan.accounts))
        signal.signal(signal.SIGINT, before)
    text = markdown(report, plan.redact)
    print(f"\n{text}")
    plan.file.write_text(text, encoding="utf-8")
    print(f"The report is in {plan.file}; attach it to an issue.")
    return STOPPED if was_stopped else 0 if report.is_good else DIFFERS


async def _probe(plan: Plan, report: Report, until: float) -> None:
    witness = Witness(plan.bound.bounds())
    chosen = [probe for probe in PROBES if probe.name in plan.probes or not plan.probes]

    def done(finding: Finding) -> None:
        report.probes.append(finding)
        print(plan.redact(f"{finding.name}: {finding.verdict}, {finding.seconds:.1f} s"), flush=True)

    try:
        async with Ground.opened(plan.name, plan.accounts, witness, plan.scale) as ground:
            for account in plan.accounts.owned:
                report.environment[account.name] = await _kind_of(ground, account)
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


def _keyed(text: str) -> dict[str, Account]:
    """Read the connection strings, by account."""
    try:
        texts = json.loads(text or "[]")
    except ValueError:
        raise ValueError(f"{CONNECTIONS} should be a JSON array of connection strings") from None
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise ValueError(f"{CONNECTIONS} should be a JSON array of connection strings")
    accounts = [Account.by_connection_string(each) for each in texts]
    return {account.name: account for account in accounts}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Run the conformance suite and a probe of each unproven assumption on your own accounts.",
        epilog=f"Accounts are reached by identity (az login), or by the connection strings in {CONNECTIONS}, a JSON"
        " array. The identity needs Storage Blob Data Contributor on each account, and on the backup account also"
        " Storage Queue Data Contributor and Storage Table Data Contributor. See docs/real-azure.md.",
    )
    add = parser.add_argument
    add("--account", required=True, metavar="NAME", help="standard account for the disks")
    add("--backup-account", required=True, metavar="NAME", help="another standard account, for backups, queues, tables")
    add("--premium-account", metavar="NAME", help="premium page blob account, for the probe `premium`")
    add("--versioned-account", metavar="NAME", help="standard account with blob versioning on")
    add("--scoped-container", metavar="ACCOUNT/CONTAINER", help="container on which alone you have your role")
    add(
        "--only", default="", metavar="PROBE,...", help=f"of the probes only these: {', '.join(p.name for p in PROBES)}"
    )
    add("--no-suite", action="store_true", help="leave out the conformance suite")
    add("--suite", default="", metavar="EXPRESSION", help="of the suite only these tests, as pytest -k takes them")
    add("--minutes", type=float, default=MINUTES, help="stop after this long (%(default)g)")
    add("--region", default="", help="where the accounts are, for the report")
    add("--suffix", default="core.windows.net", help="of the cloud (%(default)s)")
    add("--report", metavar="FILE", help="where the report is written (tidemark-prove-....md)")
    add("--short-names", action="store_true", help="shorten the accounts' names in what is printed and written")
    add("--yes", action="store_true", help="go ahead without asking")
    return parser

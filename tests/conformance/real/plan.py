"""What a run of the command is to do, as somebody typed it, and what it says of that before it begins."""

import argparse
import fnmatch
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.limits import RESOURCE_MANAGER_URL
from tests.conformance.real.accounts import Account
from tests.conformance.real.bound import Bound, bound_of, said
from tests.conformance.real.ground import FULL, Accounts, Scale
from tests.conformance.real.managed.ground import TAG
from tests.conformance.real.managed.place import DiskPlace
from tests.conformance.real.names import new_name
from tests.conformance.real.order import PROBES
from tests.conformance.real.redaction import Redaction

PROGRAM = "python3 infra/local prove"
CONNECTIONS = "TIDEMARK_PROVE_CONNECTIONS"
"""The environment variable with the connection strings: a JSON array of them."""

MINUTES = 45.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        name: the run's.
        accounts: the accounts.
        disks: where managed disks may be made; None for nowhere.
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
    disks: DiskPlace | None
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
        with_disks = self.disks is not None
        return bound_of(
            self.accounts, self.minutes, with_suite=self.with_suite, with_disks=with_disks, scale=self.scale
        )


def arguments_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read a command line; one that is wrong ends the program."""
    return _parser().parse_args(arguments)


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
    if options.written_disk and not options.disk_group:
        raise ValueError("--written-disk needs --disk-group: where its snapshots are made")
    disks = None
    if options.disk_group:
        where = (options.disk_group, options.region, options.written_disk, options.resource_manager)
        disks = DiskPlace.parse(*where)
    name = new_name()
    return Plan(
        name=name,
        accounts=accounts,
        disks=disks,
        probes=_chosen(options.only),
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
    if plan.disks:
        lines.append(f"  resource group {plan.disks.group.group}: managed disks and snapshots, named so too, with the")
        lines.append(f"  tag {TAG}={plan.name}")
        if plan.disks.written:
            lines.append(f"  disk {plan.disks.written.rpartition('/')[2]}: snapshotted, in that group")
    lines.append(
        f"It runs {len(plan.probes or PROBES)} probes{' and the conformance suite' if plan.with_suite else ''}."
    )
    lines.append("Soft delete, if it is on in these accounts, keeps what is deleted for its days.")
    return [*lines, "", *said(plan.bound), ""]


def _chosen(text: str) -> frozenset[str]:
    """Read names of probes, or patterns of them."""
    known, asked = [probe.name for probe in PROBES], list(filter(None, text.split(",")))
    unknown = [name for name in asked if not fnmatch.filter(known, name)]
    if unknown:
        raise ValueError(f"there is no probe {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return frozenset(name for pattern in asked for name in fnmatch.filter(known, pattern))


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
        " Storage Queue Data Contributor and Storage Table Data Contributor; on --disk-group the role of"
        " infra/roles/managed-disk-prover.json. See docs/real-azure.md.",
    )
    add = parser.add_argument
    add("--account", required=True, metavar="NAME", help="standard account for the disks")
    add("--backup-account", required=True, metavar="NAME", help="another standard account, for backups, queues, tables")
    add("--premium-account", metavar="NAME", help="premium page blob account, for the probe `premium`")
    add("--versioned-account", metavar="NAME", help="standard account with blob versioning on")
    add("--scoped-container", metavar="ACCOUNT/CONTAINER", help="container on which alone you have your role")
    add("--disk-group", default="", metavar="ID", help="resource group in which managed disks may be made")
    add("--written-disk", default="", metavar="ID", help="managed disk that a VM is writing to, of that subscription")
    add(
        "--only", default="", metavar="PROBE,...", help=f"of the probes only these: {', '.join(p.name for p in PROBES)}"
    )
    add("--no-suite", action="store_true", help="leave out the conformance suite")
    add("--suite", default="", metavar="EXPRESSION", help="of the suite only these tests, as pytest -k takes them")
    add("--minutes", type=float, default=MINUTES, help="stop after this long (%(default)g)")
    add("--region", default="", help="where the accounts are, for the report; and where managed disks are made")
    add("--suffix", default="core.windows.net", help="of the cloud (%(default)s)")
    add("--resource-manager", default=RESOURCE_MANAGER_URL, metavar="URL", help="of the cloud (%(default)s)")
    add("--report", metavar="FILE", help="where the report is written (tidemark-prove-....md)")
    add("--short-names", action="store_true", help="shorten the accounts' names in what is printed and written")
    add("--yes", action="store_true", help="go ahead without asking")
    return parser

"""The probes of a real Azure, run against the local one: so their code can fail, though Azure is not there."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.local.gateway import Fault
from infra.local.local_azure import BACKUPS, DISKS, MORE_DISKS, LocalAzure
from tests.conformance.real import command
from tests.conformance.real.accounts import Account
from tests.conformance.real.bound import bound_of
from tests.conformance.real.ground import SMALL, Accounts, Ground, take_away
from tests.conformance.real.names import PREFIX, new_name
from tests.conformance.real.order import OF_ACCOUNTS
from tests.conformance.real.plan import CONNECTIONS
from tests.conformance.real.probe import Finding, Probe
from tests.conformance.real.redaction import Redaction
from tests.conformance.real.report import Report, markdown
from tests.conformance.real.running import run_probes
from tests.conformance.real.verdicts import Verdict
from tests.conformance.real.witness import Bounds, Seen, Witness

ROOT = Path(__file__).resolve().parents[2]
# What the local Azure answers differently, or can't do: Azurite keeps neither versions nor what is deleted.
NOT_HERE = {"versions", "diff-with-versioning", "soft-delete", "premium"}
# A container of the gateway in an account of the local Azure.
GATEWAYS = "$gateway"
# Nothing is busy there, and copies are at their end at once.
NOT_SEEN = {"busy-source", "copy-between-accounts"}
THE_COMMAND = """
import sys
from tests.conformance.real import command
from tests.conformance.real.ground import SMALL
async def leave(*_):
    return []
if "--leave" in sys.argv:
    sys.argv.remove("--leave")
    command.take_away = leave
sys.exit(command.main(sys.argv[1:], scale=SMALL))
"""


@pytest.fixture
def accounts(azure: LocalAzure) -> Accounts:
    disks, backups, more = (
        Account.by_connection_string(azure.connection_string(each)) for each in (DISKS, BACKUPS, MORE_DISKS)
    )
    return Accounts(disks, backups, premium=more, versioned=disks)


@pytest.fixture
async def name(accounts: Accounts) -> AsyncIterator[str]:
    name = new_name()
    yield name
    assert await take_away(name, accounts) == []


async def found_by(
    accounts: Accounts, name: str, probes: tuple[Probe, ...] = OF_ACCOUNTS, bounds: Bounds | None = None
) -> list[Finding]:
    """Run probes, small ones; give what they find."""
    found: list[Finding] = []
    witness = Witness(bounds or bound_of(accounts, 1, with_suite=False, scale=SMALL).bounds())
    async with Ground.opened(name, accounts, witness, SMALL) as ground:
        await run_probes(ground, found.append, probes)
    return found


async def names(accounts: Accounts) -> set[str]:
    """List the containers, queues and tables of all accounts."""
    found: set[str] = set()
    for account in (accounts.disks, accounts.backups):
        async with account.blobs() as blobs, account.queues() as queues, account.tables() as tables:
            found |= {f"{account.name}/{each.name}" async for each in blobs.list_containers() if each.name != GATEWAYS}
            found |= {f"{account.name}/{each.name}" async for each in queues.list_queues()}
            found |= {f"{account.name}/{each.name}" async for each in tables.list_tables()}
    return found


async def test_each_probe_runs_on_the_local_azure_or_says_by_an_answer_that_it_cannot(
    accounts: Accounts, name: str
) -> None:
    found = await found_by(accounts, name)
    verdicts = {finding.name: finding.verdict for finding in found}
    assert list(verdicts) == [probe.name for probe in OF_ACCOUNTS]
    not_here = {name for name, verdict in verdicts.items() if verdict is Verdict.NOT_SUPPORTED}
    assert not_here == NOT_HERE, markdown(Report(name, probes=found), Redaction([]))
    assert verdicts["container-role"] is Verdict.NOT_TRIED
    assert {name for name, verdict in verdicts.items() if verdict is Verdict.NOT_SETTLED} == NOT_SEEN
    rest = set(verdicts) - NOT_HERE - NOT_SEEN - {"container-role"}
    assert {verdicts[name] for name in rest} == {Verdict.HOLDS}, markdown(Report(name, probes=found), Redaction([]))
    assert all(finding.seen for finding in found)


async def test_a_probe_sees_where_the_service_does_otherwise(azure: LocalAzure, accounts: Accounts, name: str) -> None:
    chosen = tuple(probe for probe in OF_ACCOUNTS if probe.name in {"copy-pages-between-accounts", "versions"})
    azure.gateway.versioned.add(DISKS.name)
    azure.gateway.faults.add(Fault("Put Page From URL", None, refuse_source=(403, "AuthorizationFailure")))
    try:
        found = await found_by(accounts, name, chosen)
    finally:
        azure.gateway.versioned.clear()
        azure.gateway.faults.clear()
    assert [finding.verdict for finding in found] == [Verdict.DIFFERS, Verdict.DIFFERS]
    assert "CannotVerifyCopySource" in found[0].seen[0]
    text = markdown(Report(name, probes=found), Redaction(accounts.owned))
    assert all(f"If not: {probe.otherwise}" in text for probe in chosen)


async def test_a_probe_that_fails_is_told_of_and_ends_neither_the_others_nor_the_clean_up(
    accounts: Accounts, name: str
) -> None:
    async def fails(ground: Ground, seen: Seen) -> bool:
        await ground.blob(ground.accounts.disks, "nowhere.vhd").get_blob_properties()
        return bool(seen)

    async def holds(ground: Ground, seen: Seen) -> bool:
        seen.note(ground.name)
        return True

    before = await names(accounts)
    probes = tuple(Probe(run.__name__, "a", "b", run) for run in (fails, holds))
    found = await found_by(accounts, name, probes)
    assert [finding.verdict for finding in found] == [Verdict.FAILED, Verdict.HOLDS]
    assert "BlobNotFound" in found[0].seen[0]
    assert await names(accounts) > before
    assert await take_away(name, accounts) == []
    assert await names(accounts) == before


async def test_a_run_stops_at_its_bound(accounts: Accounts, name: str) -> None:
    bounds = Bounds(requests=5, written=10**6)
    found = await found_by(accounts, name, OF_ACCOUNTS[:2], bounds)
    assert [finding.verdict for finding in found] == [Verdict.NOT_TRIED] * 2
    assert "stopped at its bound: 5 requests" in found[0].seen[0]
    assert bounds.requests_made == 5


async def test_what_bears_another_name_is_not_deleted(accounts: Accounts, name: str) -> None:
    others = (f"{PREFIX}other", "backups-of-mine")
    async with accounts.backups.blobs() as blobs:
        for container in (name, *others):
            await blobs.create_container(container)
        for wrong in ("", "backups-of-mine", PREFIX):
            with pytest.raises(ValueError, match="is not the name of a run"):
                await take_away(wrong, accounts)
        assert await take_away(name, accounts) == []
        left = {each.name async for each in blobs.list_containers()}
        assert left >= set(others)
        assert name not in left
        for container in others:
            await blobs.delete_container(container)


def options(azure: LocalAzure) -> dict[str, str]:
    texts = [azure.connection_string(account) for account in (DISKS, BACKUPS, MORE_DISKS)]
    return {**os.environ, CONNECTIONS: json.dumps(texts), "PYTHONPATH": str(ROOT)}


async def start(azure: LocalAzure, folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    accounts = ("--account", DISKS.name, "--backup-account", BACKUPS.name)
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", THE_COMMAND, *accounts, "--report", "report.md", *arguments),
        cwd=folder,
        env=options(azure),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def test_nothing_is_created_without_a_yes(
    azure: LocalAzure,
    accounts: Accounts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = await names(accounts)
    monkeypatch.setenv(CONNECTIONS, options(azure)[CONNECTIONS])
    monkeypatch.chdir(tmp_path)
    arguments = ["--account", DISKS.name, "--backup-account", BACKUPS.name, "--report", "report.md"]
    for typed in ("no", "", "y"):
        monkeypatch.setattr("builtins.input", lambda _, typed=typed: typed)
        monkeypatch.setattr("sys.stdin.isatty", lambda typed=typed: bool(typed))
        assert command.main(arguments) == command.REFUSED
    printed = capsys.readouterr()
    assert re.search(r"at most \d+\.\d\d USD, 45 minutes, \d+ MiB written", printed.out)
    assert "Nothing was created" in printed.err
    assert await names(accounts) == before
    assert not (tmp_path / "report.md").exists()


@pytest.mark.nightly
async def test_all_that_a_run_makes_bears_its_name_and_it_says_what_it_saw(
    azure: LocalAzure, accounts: Accounts, tmp_path: Path
) -> None:
    before = await names(accounts)
    chosen = ("--only", "signature", "--suite", "test_queues or test_etags", "--yes", "--short-names", "--leave")
    process = await start(azure, tmp_path, *chosen)
    printed = (await process.communicate())[0].decode()
    assert process.returncode == 0, printed
    report = (tmp_path / "report.md").read_text()
    [name] = set(re.findall(rf"{PREFIX}[0-9a-f]{{12}}", report))
    made = {each.partition("/")[2] for each in await names(accounts) - before}
    assert {f"{name}-vhds-0", f"{name}-plan-changes", f"{name.replace('-', '')}backups"} <= made
    assert [each for each in made if not each.startswith((name, name.replace("-", "")))] == []
    assert await take_away(name, accounts) == []
    assert await names(accounts) == before
    assert "| 1 | `signature` |" in report
    assert re.search(r"^\d+ holds\.$", report, re.MULTILINE)
    assert report in printed
    for secret in (DISKS.key, BACKUPS.key, "sig=", f"| {BACKUPS.name} |"):
        assert secret not in report


@pytest.mark.parametrize("ending", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.nightly)])
async def test_what_was_made_is_deleted_after_ctrl_c(
    azure: LocalAzure, accounts: Accounts, tmp_path: Path, ending: signal.Signals
) -> None:
    before = await names(accounts)
    process = await start(azure, tmp_path, "--yes")
    assert process.stdout
    while not (line := await process.stdout.readline()).startswith(b"signature: "):
        assert line, "it ended before its first probe did"
    assert await names(accounts) > before
    process.send_signal(ending)
    await process.communicate()
    assert process.returncode == command.STOPPED
    assert await names(accounts) == before
    assert "| stopped early | Ctrl-C" in (tmp_path / "report.md").read_text()

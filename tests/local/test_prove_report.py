"""What the command that proves on a real Azure says: its report, its bound, its docs; and what it does not say."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conformance.real import command
from tests.conformance.real.accounts import Account
from tests.conformance.real.bound import Bound, bound_of, said
from tests.conformance.real.ground import Accounts
from tests.conformance.real.managed.order import OF_DISKS
from tests.conformance.real.managed.place import DISKS_MADE, SNAPSHOTS_MADE
from tests.conformance.real.order import PROBES
from tests.conformance.real.plan import CONNECTIONS, MINUTES, arguments_of, plan_of
from tests.conformance.real.probe import Finding
from tests.conformance.real.redaction import HIDDEN, HIDDEN_HOST, HIDDEN_ID, Redaction
from tests.conformance.real.report import Report, markdown
from tests.conformance.real.verdicts import Verdict

ROOT = Path(__file__).resolve().parents[2]
SUFFIX = "core.windows.net"


@pytest.fixture
def accounts() -> Accounts:
    disks, backups, premium = (Account.by_identity(name, SUFFIX) for name in ("mydisks", "mybackups", "mypremium"))
    return Accounts(disks, backups, premium)


def test_a_report_is_good_only_where_all_holds_to_the_end_and_nothing_is_left() -> None:
    for verdict in Verdict:
        report = Report("r", probes=[Finding("x", verdict)], suite=[Finding("y", Verdict.HOLDS)])
        assert report.is_good is (verdict not in {Verdict.DIFFERS, Verdict.FAILED})
    assert not Report("r", left=["container r"]).is_good
    assert not Report("r", stopped="Ctrl-C").is_good


def test_a_report_tells_what_it_ran_with_what_was_seen_and_what_is_left() -> None:
    differs = Finding("p", Verdict.DIFFERS, "it is so", "it is bad", ["412 | ConditionNotMet"], 1.25)
    told = [Finding("s.py::one", Verdict.HOLDS), Finding("s.py::two", Verdict.DIFFERS, seen=["assert 1 == 2"])]
    text = markdown(Report("r", probes=[differs], suite=told, left=["queue r-x: 403"]), Redaction([]))
    for line in (
        "| 1 | `p` | it is so | **differs** |",
        "### 1. p: differs, 1.2 s",
        "If not: it is bad",
        "- 412 \\| ConditionNotMet",
        "1 holds, 1 differs.",
        "| `s.py::two` | **differs** | assert 1 == 2 | 0.0 |",
        "- queue r-x: 403",
    ):
        assert line in text.splitlines()
    assert re.search(r"\| azure-storage-blob \| [\d.]+ \|", text)
    assert re.search(r"\| storage API version \| \d{4}-\d\d-\d\d ", text)


@pytest.mark.parametrize(
    "secret",
    [
        "https://a.blob.core.windows.net/c/b?snapshot=x&sp=r&sig=SECRET%2Bmore%3D",
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=SECRET==;EndpointSuffix=x",
        "Authorization: Bearer SECRET.b-c_d",
        "Authorization: SharedKey a:SECRET=",
        "token eyJSECRET.eyJh.abc",
    ],
)
def test_what_looks_like_a_secret_is_not_in_a_report(secret: str) -> None:
    finding = Finding("x", Verdict.FAILED, seen=[secret])
    text = markdown(Report("r", probes=[finding], suite=[finding], left=[secret]), Redaction([]))
    assert "SECRET" not in text
    assert text.count(HIDDEN) == 3


def test_no_id_of_a_subscription_or_of_a_person_is_in_a_report() -> None:
    ids = "/subscriptions/0B1F6471-1bf0-4dda-aec3-cb9272f09590/x, object id '22222222-2222-2222-2222-222222222222'"
    text = markdown(Report("tidemark-prove-0c1f5a2b9d3e", left=[ids]), Redaction([]))
    assert f"- /subscriptions/{HIDDEN_ID}/x, object id '{HIDDEN_ID}'" in text
    assert "tidemark-prove-0c1f5a2b9d3e" in text


@pytest.mark.parametrize(
    "host", ["md-impexp-s1f0l2zctgzf.z33.blob.storage.azure.net", "md-s1f0l2zctgzf.blob.core.windows.net"]
)
def test_no_host_of_a_disk_is_in_a_report(host: str) -> None:
    said = f"Cannot connect to host {host}:443 ssl:default"
    text = markdown(Report("r", probes=[Finding("x", Verdict.FAILED, seen=[said])]), Redaction([]))
    assert f"- Cannot connect to host {HIDDEN_HOST}:443 ssl:default" in text


def test_the_name_of_an_account_is_shortened_if_asked(accounts: Accounts) -> None:
    report = Report("r", environment={accounts.backups.name: f"in {accounts.backups.blob_url}"})
    assert accounts.backups.name in markdown(report, Redaction(accounts.owned))
    assert accounts.backups.name not in markdown(report, Redaction(accounts.owned, short_names=True))


@pytest.mark.parametrize(
    ("given", "connections", "reason"),
    [
        (("--backup-account", "a"), "", "are to be two accounts"),
        (("--backup-account", "B.c"), "", "is not the name of a storage account"),
        (("--backup-account", "b", "--only", "nothing"), "", "there is no probe nothing"),
        (("--backup-account", "b", "--only", "signature,no-*"), "", "there is no probe no-*"),
        (("--backup-account", "b", "--disk-group", "g"), "", "is not the ID of a resource group"),
        (("--backup-account", "b", "--written-disk", "d"), "", "--written-disk needs --disk-group"),
        (("--backup-account", "b"), "AccountKey=SECRET", "a JSON array"),
        (("--backup-account", "b"), '["AccountKey=SECRET"]', "a connection string"),
    ],
)
def test_a_command_line_that_cannot_be_carried_out_is_refused_without_a_secret(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: tuple[str, ...],
    connections: str,
    reason: str,
) -> None:
    monkeypatch.setenv(CONNECTIONS, connections)
    assert command.main(["--account", "a", *given, "--yes"]) == command.WRONG
    printed = capsys.readouterr()
    assert reason in printed.err
    assert "SECRET" not in printed.err + printed.out


@pytest.mark.parametrize(
    ("only", "chosen"),
    [
        ("disk-*", {probe.name for probe in OF_DISKS}),
        ("signature,disk-second-*", {"signature", "disk-second-access", "disk-second-upload"}),
    ],
)
def test_probes_are_chosen_by_a_pattern_of_their_names(only: str, chosen: set[str]) -> None:
    options = arguments_of(["--account", "a", "--backup-account", "b", "--only", only])
    assert plan_of(options, {}).probes == chosen


def test_the_bound_grows_with_what_is_done(accounts: Accounts) -> None:
    least = bound_of(replace(accounts, premium=None), 1, with_suite=False)
    most = bound_of(accounts, 1, with_suite=True)
    assert (least.requests, least.suite_requests) == (most.requests, 0)
    assert least.usd < most.usd < 2
    disks = bound_of(accounts, 1, with_suite=True, with_disks=True)
    assert (disks.requests, disks.bytes) > (most.requests, most.bytes)
    assert most.usd < disks.usd < bound_of(accounts, 61, with_suite=True, with_disks=True).usd < 2


def test_a_bound_says_the_disks_that_it_counts(accounts: Accounts) -> None:
    assert "managed disks" not in "\n".join(said(bound_of(accounts, 45, with_suite=True)))
    told = said(bound_of(accounts, 45, with_suite=True, with_disks=True))
    assert [line for line in told if line.strip().startswith(f"{DISKS_MADE} managed disks")]


def test_the_docs_name_the_bound_and_each_probe_in_its_order(accounts: Accounts) -> None:
    page = (ROOT / "docs" / "real-azure.md").read_text()
    bound = bound_of(replace(accounts, premium=None), MINUTES, with_suite=True)
    told = " ".join(page.split())
    size = (bound.bytes + bound.suite_bytes) / 1024**2
    requests = (
        f"{bound.requests + bound.suite_requests:,} requests, {size:.0f} MiB written and {bound.minutes:g} minutes"
    )
    assert f"at most {bound.usd:.2f} USD, {requests}" in told
    assert f"{bound.requests:,} by the probes" in told
    assert f"{bound.suite_requests:,} by the suite" in told
    assert re.findall(r"^\| [^|]+ \| `([a-z-]+)` \| ", page, re.MULTILINE) == [probe.name for probe in PROBES]
    assert set(re.findall(r"^\| ([a-z ]+) \| ", page, re.MULTILINE)) == set(Verdict)
    more = bound_of(replace(accounts, premium=None), MINUTES, with_suite=True, with_disks=True)
    added = f"{more.usd - bound.usd:.2f} USD, {more.requests - bound.requests:,} requests and {_mib(more, bound)} MiB"
    assert f"`--disk-group` adds {added}" in told
    assert f"{DISKS_MADE} disks and at most {SNAPSHOTS_MADE} snapshots" in told


def _mib(more: Bound, less: Bound) -> int:
    return round((more.bytes - less.bytes) / 1024**2)


def test_each_assumption_of_managed_disks_names_its_probe() -> None:
    page = (ROOT / "docs" / "managed-disks.md").read_text()
    assumed = page.partition("## What is assumed")[2]
    rows = re.findall(r"^\| (?!assumed|---).+ \|$", assumed, re.MULTILINE)
    named = [re.findall(r"`(disk-[a-z-]+)`", row) for row in rows]
    assert {name for row in named for name in row} == {probe.name for probe in OF_DISKS}
    assert [row for row, names in zip(rows, named, strict=True) if not names and "by hand" not in row] == []

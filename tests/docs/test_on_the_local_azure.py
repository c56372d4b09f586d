"""The docs' commands that read records and ask for things do so, typed as they stand, by the Azure CLI itself."""

import asyncio
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra.local.azurite import Account
from infra.local.local_azure import BACKUP_CONTAINER, BACKUPS, DISKS, HOST
from shared.model.disk import PageBlobDisk
from shared.model.inspection import Inspection
from shared.model.intent_row import INTENT, IntentRow
from shared.model.job import ENDS, JobKind, Stage
from shared.model.names import BACKUPS_TABLE, DRILL_QUEUE, MANAGE_QUEUE, RESTORE_REQUESTS_QUEUE, VERIFY_QUEUE
from shared.model.point import RecoveryPoint
from shared.model.record import DiskRecord
from shared.model.restore import Restore
from shared.model.retention_plan import PlanOnRecord
from shared.model.run import OpenRun
from shared.model.tombstone import Tombstone
from tests.app.cloud import Cloud, Disk, pages, until
from tests.docs.azure_cli import AzureCli, Said
from tests.docs.commands import Command, commands
from tests.docs.documents import PAGES
from tests.docs.local_commands import is_local
from tests.docs.shown import not_printed, prints_shown

OF_THE_REPORT = {"attention", "report"}
OF_ALL_PLANS = {"disks"}
OF_EVERY_ROW = {"PartitionKey", "RowKey", "Timestamp", "schema"}
JOBS = {
    RESTORE_REQUESTS_QUEUE: str(JobKind.RESTORE),
    VERIFY_QUEUE: str(JobKind.VERIFY),
    DRILL_QUEUE: str(JobKind.DRILL),
    MANAGE_QUEUE: INTENT,
}
# There is nothing for these to act on unless a person is as quick as the service; it understands them, and says so.
NOTHING_TO_ACT_ON: dict[tuple[str, ...], str] = {
    ("storage", "blob", "copy", "cancel"): "NoPendingCopyOperation|LeaseNotPresentWithBlobOperation"
}
REFUSED_WITHOUT_IT = re.compile(
    "no restore, verify or drill with the ID|no list has the hash|.* can't be deleted: "
    "|RETENTION_MODE is|SOURCE_DISKS names|.* would be backed up, because SOURCE_DISKS names it, and a trial is not"
    "|there is no recovery point of /subscriptions/"
)
_BACKUPS_OF_THE_DOCS = "backups"
ANSWERS_WITHIN_SECONDS = 60.0
TIME = re.compile(r"(?<!\"until\": \")\d{4}-\d\d-\d\dT[\d:.]+Z")


def columns() -> set[str]:
    """Name the columns of the table of backups."""
    of_a_run = {f"run_{field.name}" for field in dataclasses.fields(OpenRun)}
    kinds = (DiskRecord, RecoveryPoint, Restore, Inspection, IntentRow, PlanOnRecord, Tombstone)
    return (
        OF_EVERY_ROW
        | OF_ALL_PLANS
        | OF_THE_REPORT
        | of_a_run
        | {field.name for kind in kinds for field in dataclasses.fields(kind)}
    )


def local(page: Path) -> list[Command]:
    return [command for command in commands() if command.block.page == page and is_local(command)]


class Typed:
    """A person who types the commands of a page, with what is theirs in the place of the examples."""

    def __init__(self, cloud: Cloud, cli: AzureCli, disk: Disk, point: str) -> None:
        self.cloud = cloud
        self.cli = cli
        self.disk = disk
        self.point = point
        self.asked: dict[str, str] = {}
        self.variables: dict[str, str] = {}

    async def type(self, command: Command) -> Said:
        """Type a command; a query again until there is something to see."""
        arguments = [self._own(word) for word in _without_sign_in(command.arguments)]
        if _account_of(command) is BACKUPS:
            arguments[arguments.index("--container-name") + 1] = BACKUP_CONTAINER
        account = _account_of(command)
        environment = {"AZURE_STORAGE_CONNECTION_STRING": self.cloud.azure.connection_string(account)}

        async def answered() -> list[Said]:
            said = await asyncio.to_thread(self.cli.runs, arguments, environment)
            is_query = command.arguments[1:3] == ("entity", "query")
            has_rows = "PartitionKey eq 'retention'" not in " ".join(arguments)  # which is off here
            return [] if is_query and has_rows and not said.code and said.output.strip() in {"", "[]"} else [said]

        [said] = await until(answered, f"an answer to {command}", ANSWERS_WITHIN_SECONDS)
        if command.kept_as:
            self.variables[command.kept_as] = said.output.strip()
        if command.arguments[1:3] == ("message", "put") and not said.code:
            kind = JOBS.get(_option(command, "--queue-name"))
            if kind:
                self.asked[kind] = str(json.loads(said.output)["id"])
                await self._comes_to_its_end(f"{kind}-{self.asked[kind]}")
        return said

    async def _comes_to_its_end(self, row: str) -> None:
        """Wait until what was asked for is done, or refused as there is nothing to act on."""
        table = self.cloud.tables.get_table_client(BACKUPS_TABLE)

        async def ended() -> list[dict[str, Any]]:
            found = [{**entity} async for entity in table.query_entities(f"RowKey eq '{row}'")]
            return [entity for entity in found if entity["state"] in ENDS]

        [found] = await until(ended, f"the end of {row}")
        assert found["state"] == Stage.DONE or REFUSED_WITHOUT_IT.match(found["reason"]), found["reason"]

    def _own(self, word: str) -> str:
        """Write what is the person's own in the place of the example's."""
        blobs, container = self.cloud.azure.blob_url(DISKS), self.disk.address.container
        word = re.sub(r"https://\w+\.blob\.core\.windows\.net/[\w-]+/", f"{blobs}/{container}/", word)
        word = word.replace("ACCOUNT|CONTAINER|BLOB", PageBlobDisk(self.disk.address).key)
        word = re.sub(r"\b(restore|verify|drill|intent)-ID\b", lambda found: f"{found[1]}-{self.asked[found[1]]}", word)
        word = TIME.sub(self.point, word)
        word = re.sub(r"\$(\w+)", lambda found: self.variables[found[1]], word)
        own = {
            "vhds": container,
            "TARGET.vhd": self.disk.address.blob,
            "LEASE": str(self.disk.address.container),
        }
        return own.get(word, word)


def _without_sign_in(arguments: tuple[str, ...]) -> list[str]:
    """Leave out what the connection string says: which account, and how to sign in to it."""
    left, words = [], iter(arguments)
    for word in words:
        if word in {"--account-name", "--auth-mode"}:
            next(words)
        else:
            left.append(word)
    return left


def _account_of(command: Command) -> Account:
    if command.arguments[1] != "blob":
        return HOST
    options = dict(zip(command.arguments, command.arguments[1:], strict=False))
    return BACKUPS if options.get("--container-name") == _BACKUPS_OF_THE_DOCS else DISKS


def _option(command: Command, name: str) -> str:
    return command.arguments[command.arguments.index(name) + 1]


def unknown_columns(cli: AzureCli, command: Command) -> set[str]:
    """Name the columns that a query asks for and no row has."""
    if command.arguments[1] != "entity":
        return set()
    options = dict(zip(command.arguments, command.arguments[1:], strict=False))
    asked = set(cli.columns(options["--query"])) - {"items"} if "--query" in options else set()
    asked |= set(re.findall(r"(\w+) (?:eq|ne|ge|gt|le|lt) ", options.get("--filter", "")))
    return asked - columns()


@pytest.mark.nightly
async def test_a_query_names_columns_that_there_are(azure_cli: AzureCli) -> None:
    found = {str(command): unknown_columns(azure_cli, command) for command in commands() if is_local(command)}
    assert {command: names for command, names in found.items() if names} == {}


@pytest.mark.nightly
async def test_each_command_does_on_the_local_azure_what_it_says(cloud: Cloud, azure_cli: AzureCli) -> None:
    chosen = {page: local(page) for page in PAGES if local(page)}
    assert chosen
    disks = {}
    for number, page in enumerate(chosen):
        cloud.container = f"{cloud.container[:17]}-{number}"
        disks[page] = await cloud.disk(name="os.vhd")
        await disks[page].write(0, pages(4))
    shown = {(command, block.page): block.text for command, block in prints_shown()}
    wrong = {}
    async with cloud.app(*disks.values()) as app:
        await app.back_up(*disks.values())
        for page, disk in disks.items():
            person = Typed(cloud, azure_cli, disk, (await disk.points())[0].time)
            for command in chosen[page]:
                said = await person.type(command)
                expected = NOTHING_TO_ACT_ON.get(command.arguments[:4], "")
                if bool(said.code) != bool(expected) or not re.search(expected, said.errors):
                    wrong[str(command)] = said.errors
                text = shown.get((" ".join(command.words), page), "")
                wrong |= {str(command): f"{line}: {said.output}" for line in not_printed(text, said.output)}
    assert wrong == {}

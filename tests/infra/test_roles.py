"""Who may do what: the least that does."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from shared.model.names import DRILL_QUEUE, MANAGE_QUEUE, REBUILD_CATALOGUE_QUEUE, RESTORE_REQUESTS_QUEUE, VERIFY_QUEUE
from tests.docs.commands import commands
from tests.docs.documents import blocks, prose
from tests.infra.bicep_file import Declared, outputs_named, read
from tests.infra.bicep_words import Kind
from tests.infra.tree import BICEP_FILES, INFRA, MAIN, resources

# https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
BUILT_IN = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "db58b8e5-c6ad-4a2a-8342-4190687cbf4a": "Storage Blob Delegator",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a": "Storage Queue Data Message Sender",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "76199698-9eea-4c19-bc75-cec21354c6b6": "Storage Table Data Reader",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
}
# By the parameter of a module that says which custom role it assigns.
CUSTOM = {
    "diskReader": "Tidemark disk reader",
    "managedDiskReader": "Tidemark managed disk reader",
    "managedDiskRestorer": "Tidemark managed disk restorer",
}
TOO_MUCH = {
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
    "17d1049b-9a84-46fb-8f53-869881c3d3ab": "Storage Account Contributor",
}
GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"
DISK_READER = INFRA / "roles" / "disk-reader.json"
MANAGED_DISK_READER = INFRA / "roles" / "managed-disk-reader.json"
MANAGED_DISK_RESTORER = INFRA / "roles" / "managed-disk-restorer.json"
CONDITION = INFRA / "roles" / "disk-reader-condition.txt"

# What each assignment gives on what. A wider one is to be thought about, and then written here.
ASSIGNMENTS = {
    "backup-account.bicep/writes": ("container", {"Storage Blob Data Contributor"}),
    "backup-account.bicep/signs": ("account", {"Storage Blob Delegator"}),
    "host-storage.bicep/appAssignments": (
        "account",
        {"Storage Blob Data Owner", "Storage Queue Data Contributor", "Storage Table Data Contributor"},
    ),
    "host-storage.bicep/operatorReads": ("account", {"Storage Table Data Reader"}),
    "host-storage.bicep/operatorSends": ("each of queues", {"Storage Queue Data Message Sender"}),
    "managed-disk-roles.bicep/reads": ("resourceGroup", {"Tidemark managed disk reader"}),
    "managed-disk-roles.bicep/restores": ("resourceGroup", {"Tidemark managed disk restorer"}),
    "monitoring.bicep/publishes": ("insights", {"Monitoring Metrics Publisher"}),
    "source-roles.bicep/reads": ("disks", {"Tidemark disk reader"}),
    "source-roles.bicep/writes": ("disks", {"Storage Blob Data Contributor"}),
    "source-roles.bicep/signs": ("source", {"Storage Blob Delegator"}),
}


def roles_of(assignment: str) -> set[str]:
    """Name the roles that an assignment may give: its variable's, or for a loop those of the loop's list."""
    file, symbol = assignment.split("/")
    found = read(INFRA / "modules" / file)
    words = {word.text for word in found.declared[symbol].words}
    for parameter, role in CUSTOM.items():
        if parameter in words:
            return {role}
    lists = {word.text for name in words & {"appRoles"} for word in found.declared[name].words}
    variables = (words | lists) & found.of("var").keys() - {"appRoles"}
    guids = {word.text for name in variables for word in found.declared[name].words if GUID.fullmatch(word.text)}
    return {BUILT_IN[guid] for guid in guids}


def scope_of(config: dict[str, Any]) -> str:
    """Name what an assignment is on; without a scope it is on the resource group of its module."""
    scope = config.get("scope", "resourceGroup")
    if isinstance(scope, str):
        return scope
    assert scope["operator"]["type"] == "index_accessor"
    return f"each of {scope['operator']['operands']['operand_1']}"


def test_each_assignment_gives_what_it_is_meant_to_on_what_it_is_meant_to() -> None:
    made = resources("Microsoft.Authorization/roleAssignments")
    assert {name: (scope_of(config), roles_of(name)) for name, config in made.items()} == ASSIGNMENTS


def test_the_queues_that_people_write_to_are_there_from_the_start() -> None:
    storage = read(INFRA / "modules" / "host-storage.bicep")
    (queues,) = resources("Microsoft.Storage/storageAccounts/queueServices/queues").values()
    assert (queues["parent"], queues["name"]) == ("queueService", "queue")
    made = {word.text for word in storage.declared["requestQueues"].words if word.kind is Kind.TEXT}
    assert made == {DRILL_QUEUE, MANAGE_QUEUE, REBUILD_CATALOGUE_QUEUE, RESTORE_REQUESTS_QUEUE, VERIFY_QUEUE}


def test_the_operator_sends_to_these_queues_and_to_no_other() -> None:
    storage = read(INFRA / "modules" / "host-storage.bicep")
    assert [word.text for word in storage.declared["operatorQueues"].words if word.kind is Kind.NAME] == [
        "empty",
        "operatorId",
        "requestQueues",
    ]
    loop = [word.text for word in storage.declared["operatorSends"].words if word.text != "\n"]
    assert loop[loop.index("in") + 1] == "operatorQueues"


def test_a_role_is_assigned_last_where_azure_may_not_know_it_yet() -> None:
    modules = read(MAIN).of("module")
    before = {"sourceRoles", "managedDiskRoles"}
    while new := {name for module in before for name in waited_for(modules[module])} - before:
        before |= new
    # The network, too, where there is one: the app is put into it.
    assert before == modules.keys()


def waited_for(module: Declared) -> set[str]:
    """Name the modules that another waits for: those whose outputs it takes, and those that `dependsOn` names."""
    texts = [word.text for word in module.words]
    after = texts[texts.index("dependsOn") :] if "dependsOn" in texts else []
    named = set(after[: after.index("]")]) if after else set()
    return (named & read(MAIN).of("module").keys()) | {name for name, _ in outputs_named(module)}


def test_step_by_step_gives_the_roles_that_the_templates_give() -> None:
    given: dict[str, set[str]] = {"PRINCIPAL": set(), "OPERATOR": set()}
    for command in commands():
        if command.block.page.name in {"deploying.md", "managed-disks.md"} and command.words[:4] == (
            "az",
            "role",
            "assignment",
            "create",
        ):
            options = dict(zip(command.words, command.words[1:], strict=False))
            given[options["--assignee-object-id"].removeprefix("$")].add(options["--role"])
    by_templates: dict[str, set[str]] = {"PRINCIPAL": set(), "OPERATOR": set()}
    for name, (_, roles) in ASSIGNMENTS.items():
        # The role of the logs is given by their template, there too.
        if name != "monitoring.bicep/publishes":
            by_templates["OPERATOR" if "/operator" in name else "PRINCIPAL"] |= roles
    assert given == by_templates


def test_step_by_step_makes_the_queues_of_requests_and_gives_the_role_on_each() -> None:
    text = "".join(block.text for block in blocks() if block.language == "sh")
    [queues] = re.findall(r"^for QUEUE in (.*); do$", text, re.MULTILINE)
    assert set(queues.split()) == {
        DRILL_QUEUE,
        MANAGE_QUEUE,
        REBUILD_CATALOGUE_QUEUE,
        RESTORE_REQUESTS_QUEUE,
        VERIFY_QUEUE,
    }
    body = [found for found in commands() if "queues/$QUEUE" in str(found)]
    assert [command.arguments[0] for command in body] == ["rest", "role"]
    assert "/queueServices/default/queues/$QUEUE?" in str(body[0])
    assert body[1].words[-2:] == ("--scope", "$HOST_ID/queueServices/default/queues/$QUEUE")


def test_the_docs_say_who_acts_as_the_app() -> None:
    (said,) = re.findall(r"[^.]*acts as the app:[^.]*", prose())
    assert "federated credential" in said


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_an_assignment_has_a_name_of_its_own(name: str) -> None:
    config = resources("Microsoft.Authorization/roleAssignments")[name]
    scope, principal, role = (str(part) for part in config["name"]["function"]["parameters"].values())
    within = {"resourceGroup": "resource_group"}.get(of := scope_of(config), of.removeprefix("each of "))
    assert within in scope
    assert principal == config["properties"]["principalId"]
    assert role in str(config["properties"]["roleDefinitionId"])


@pytest.mark.parametrize("path", BICEP_FILES, ids=lambda path: path.name)
def test_a_file_names_no_role_that_allows_more_than_data(path: object) -> None:
    assert isinstance(path, type(INFRA))
    guids = set(GUID.findall(path.read_text()))
    assert guids.isdisjoint(TOO_MUCH)
    assert guids <= BUILT_IN.keys()


def test_the_disk_reader_writes_to_nothing_that_is_there() -> None:
    role = json.loads(DISK_READER.read_text())
    assert role["Actions"] == role["NotActions"] == role["NotDataActions"] == []
    # Snapshot Blob takes blobs/write or blobs/add/action; the second makes new blobs, and writes over none:
    # https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory
    assert role["DataActions"] == [f"{BLOBS}/read", f"{BLOBS}/add/action", f"{BLOBS}/delete"]


def test_the_disk_reader_deletes_snapshots_only() -> None:
    condition = " ".join(CONDITION.read_text().split())
    assert condition == f"( ( !(ActionMatches{{'{BLOBS}/delete'}}) ) OR ( Exists @Request[{BLOBS}:snapshot] ) )"
    properties = resources("Microsoft.Authorization/roleAssignments")["source-roles.bicep/reads"]["properties"]
    assert properties["conditionVersion"] == "2.0"
    assert "disk-reader-condition.txt" in str(properties["condition"])


def test_the_managed_disk_reader_changes_snapshots_only() -> None:
    role = json.loads(MANAGED_DISK_READER.read_text())
    assert role["NotActions"] == role["DataActions"] == role["NotDataActions"] == []
    # That the app does with it, and not without one of them: tests/managed_disks/test_role.py.
    assert {action for action in role["Actions"] if not action.endswith("/read")} == {
        "Microsoft.Compute/disks/beginGetAccess/action",
        *(f"Microsoft.Compute/snapshots/{does}" for does in ("write", "delete")),
        *(f"Microsoft.Compute/snapshots/{does}/action" for does in ("beginGetAccess", "endGetAccess")),
    }
    assert not any("*" in action for action in role["Actions"])


def test_the_managed_disk_restorer_changes_disks_only_and_attaches_none() -> None:
    role = json.loads(MANAGED_DISK_RESTORER.read_text())
    assert role["NotActions"] == role["DataActions"] == role["NotDataActions"] == []
    # That the app does with it, and not without one of them: tests/managed_disks/test_restore_role.py.
    assert {action for action in role["Actions"] if not action.endswith("/read")} == {
        *(f"Microsoft.Compute/disks/{does}" for does in ("write", "delete")),
        *(f"Microsoft.Compute/disks/{does}/action" for does in ("beginGetAccess", "endGetAccess")),
    }
    assert not any("*" in action for action in role["Actions"])


def test_managed_disks_are_restored_only_where_a_group_says_so() -> None:
    main = read(MAIN)
    assert {"filter", "restores", "false"} <= {word.text for word in main.declared["restoreGroups"].words}
    assert "restoreGroups" in {word.text for word in main.declared["restoreGroupIds"].words}
    given = " ".join(word.text for word in main.declared["managedDiskRoles"].words)
    assert "( found .? restores ?? false ) ? managedDiskRestorer" in given
    module = (INFRA / "modules" / "managed-disk-roles.bicep").read_text()
    assert (
        "resource restores 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(managedDiskRestorer))"
        in (module)
    )


def test_a_custom_role_can_be_assigned_where_its_disks_are() -> None:
    main = read(MAIN)
    for module, subscriptions in (
        ("diskReader", "sourceSubscriptions"),
        ("managedDiskReader", "managedDiskSubscriptions"),
        ("managedDiskRestorer", "managedDiskSubscriptions"),
    ):
        assert subscriptions in {word.text for word in main.declared[module].words}


@pytest.mark.parametrize("path", [DISK_READER, MANAGED_DISK_READER, MANAGED_DISK_RESTORER], ids=lambda path: path.stem)
def test_the_az_command_can_read_the_role(path: Path) -> None:
    role = json.loads(path.read_text())
    assert role["IsCustom"] is True
    assert role["Name"]
    assert role["Description"]
    assert all(scope.startswith("/subscriptions/") for scope in role["AssignableScopes"])

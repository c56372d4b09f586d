"""What an operator may choose, what it is by default, and how a wrong value is told."""

import json
import re
from typing import Any

import pytest

from tests.docs.commands import commands
from tests.docs.documents import prose, table_row
from tests.infra.bicep_file import read
from tests.infra.tree import INFRA, MAIN, parsed

NETWORK_OF_ONE_OR_TWO = re.compile(r"/3[12]\b")


def decorators(parameter: str) -> dict[str, Any]:
    """Give a parameter's decorators with their arguments."""
    return {found["type"]: found.get("argument") for found in parsed(MAIN)["parameters"][parameter]["decorators"]}


def default(parameter: str) -> Any:
    return parsed(MAIN)["parameters"][parameter]["default"]


def passed_by_azd() -> dict[str, str]:
    parameters = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    return {name: entry["value"] for name, entry in parameters.items()}


def test_an_instance_has_a_whole_core_at_least() -> None:
    # 512 MB come with a quarter of a core.
    assert decorators("instanceMemory")["allowed"] == [2048, 4096]


def test_instances_are_limited_as_the_platform_allows_it() -> None:
    limits = decorators("maximumInstances")
    assert (limits["min_value"], limits["max_value"]) == (1, 1000)


@pytest.mark.parametrize(
    ("parameter", "option"),
    [("maximumInstances", "--maximum-instance-count"), ("instanceMemory", "--instance-memory")],
)
def test_the_app_made_by_hand_is_as_large_as_that_of_the_templates(parameter: str, option: str) -> None:
    (create,) = [" ".join(found.words) for found in commands() if found.arguments[:2] == ("functionapp", "create")]
    assert re.findall(rf"{option} (\d+)", create) == [str(default(parameter))]


def test_the_docs_say_how_many_instances_there_are_by_default() -> None:
    assert re.findall(r"`MAXIMUM_INSTANCES` \((\d+)\)", prose()) == [str(default("maximumInstances"))]


def test_there_is_a_disk_to_back_up() -> None:
    # In a container or in a resource group: neither list alone need have anything in it.
    assert (default("sources"), default("managedDiskGroups")) == ([], [])
    disks = parsed(INFRA / "modules" / "function-app.bicep")["parameters"]["sourceDisks"]
    assert {found["type"]: found.get("argument") for found in disks["decorators"]}["min_length"] == 1


def test_without_source_disks_every_disk_of_all_that_is_named_is_backed_up() -> None:
    words = [word.text for word in read(MAIN).declared["eachDisk"].words]
    assert {"sources", "managedDiskGroups"} <= set(words)
    assert any(word.endswith("/providers/Microsoft.Compute/disks/*") for word in words)


def test_azd_offers_the_regions_of_flex_consumption_and_backups_may_be_anywhere() -> None:
    location = decorators("location")
    assert location["metadata"] == {"azd": {"type": "location"}}
    regions = location["allowed"]
    assert "westeurope" in regions
    assert len(regions) == len(set(regions)) > 20
    assert all(re.fullmatch(r"[a-z]+\d?", region) for region in regions)
    assert "allowed" not in decorators("backupLocation")


def test_the_operator_is_who_is_named_and_else_who_deploys() -> None:
    # azd gives AZURE_PRINCIPAL_… its own account whatever they are set to, so they can name nobody else.
    assert passed_by_azd()["operatorId"] == "${OPERATOR_ID=${AZURE_PRINCIPAL_ID}}"
    assert passed_by_azd()["operatorType"] == "${OPERATOR_TYPE=${AZURE_PRINCIPAL_TYPE}}"
    assert "`OPERATOR_ID`" in prose()


def test_what_was_deployed_is_told() -> None:
    told = parsed(MAIN)["outputs"]["TIDEMARK_DEPLOYED"]["value"]
    # azd takes a boolean or a number that it can't read for unset, and gives the default.
    read_by_azd = {name for name, found in read(MAIN).of("param").items() if found.type in {"bool", "int"}}
    assert read_by_azd
    assert read_by_azd <= told.keys()
    assert {name: told[name] for name in read_by_azd} == {name: name for name in read_by_azd}
    assert "heartbeatUrl" not in str(told), "a secret is no output"


def test_an_address_is_one_that_a_firewall_of_storage_takes() -> None:
    # It takes no range of one or two addresses:
    # https://learn.microsoft.com/azure/storage/common/storage-network-security-limitations
    assert NETWORK_OF_ONE_OR_TWO.findall(decorators("operatorAddresses")["description"]) == ["/31", "/32"]
    assert NETWORK_OF_ONE_OR_TWO.findall(prose()) == ["/31", "/32"]
    acls = parsed(INFRA / "modules" / "host-storage.bicep")["resources"]["account"]["config"]["properties"]
    (rule,) = [acls["networkAcls"]["ipRules"]["config"]]
    assert rule["value"]["function"]["type"] == "replace"
    assert rule["value"]["function"]["parameters"] == {
        "original_string": "address",
        "old_string": "/32",
        "new_string": "",
    }


def test_the_docs_do_not_say_that_a_container_is_made_by_whom_has_no_role_for_it() -> None:
    # A role on a container can't be given before there is one.
    assert "must exist where the app's role is on the container alone" in table_row("`BACKUP_CONTAINER`")

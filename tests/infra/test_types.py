"""Every resource is what its type says, by the management SDKs' models; what is wrong anywhere in it is found."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.infra.bicep_file import BicepFile, Declared, parse, read
from tests.infra.bicep_words import Kind, Word
from tests.infra.models import MODELS, OF_ANOTHER_VERSION, versions_of
from tests.infra.tree import BICEP_FILES, INFRA, MAIN
from tests.infra.wrong_types import made_by, wrong_in, wrong_types

# In one process: the models take seconds to read. For each change by a job of its own, as they take as long to install.
pytestmark = [pytest.mark.xdist_group("models"), pytest.mark.nightly]

# A change of a file, and what is to be found: names, case, values, types, what is missing or only the service's.
MISTAKES = [
    ("backup-account", "allowBlobPublicAccess:", "allowBlobPublicAcess:", "allowBlobPublicAcess is not known"),
    ("backup-account", "isVersioningEnabled:", "IsVersioningEnabled:", "is written isVersioningEnabled"),
    ("backup-account", "'CanNotDelete'", "'CannotDelete'", "lock.properties.level is 'CannotDelete', which is none"),
    ("backup-account", "days: softDeleteDays", "days: 'thirty'", "deleteRetentionPolicy.days is string, not int"),
    ("backup-account", "  kind: 'StorageV2'\n", "", "account.kind is missing"),
    ("backup-account", "    level: 'CanNotDelete'\n", "", "lock.properties.level is missing"),
    ("backup-account", "bypass: 'None'", "bypass: 'Nobody'", "networkAcls.bypass is 'Nobody'"),
    ("backup-account", "bypass: 'None'", "resourceAccessRules: {}", "is object, not array"),
    ("function-app", "type: 'UserAssignedIdentity'", "type: 'UserAssigned'", "authentication.type is 'UserAssigned'"),
    ("function-app", "minTlsVersion: '1.2'", "minTlsVersion: '1.4'", "siteConfig.minTlsVersion is '1.4'"),
    ("function-app", "instanceMemoryMB:", "instanceMemoryMb:", "is written instanceMemoryMB"),
    ("function-app", "type: 'blobContainer'", "type: 'container'", "storage.type is 'container'"),
    ("function-app", "httpsOnly: true", "state: 'Running'", "app.properties.state is read-only"),
    ("function-app", "value: setting.value", "values: setting.value", "appSettings[0].values is not known"),
    ("function-app", "'RedirectToLoginPage'", "'Redirect'", "unauthenticatedClientAction is 'Redirect'"),
    ("function-app", "allowedGroups:", "groups:", "jwtClaimChecks.groups is not known"),
    ("function-app", "enabled: signsIn", "enabled: statusPage", "platform.enabled is string, not bool"),
    ("network", "privateEndpointNetworkPolicies: 'Disabled'", "provisioningState: 'Succeeded'", "is read-only"),
    ("network", "privateEndpointNetworkPolicies: 'Disabled'", "privateEndpointNetworkPolicies: 'Off'", "'Off'"),
    ("network", "addressPrefixes: ['10.0.0.0/16']", "addressPrefixes: '10.0.0.0/16'", "is string, not array"),
    ("network", "'NxDomainRedirect'", "'NXDomainRedirect'", "resolutionPolicy is 'NXDomainRedirect'"),
    ("network", "groupIds: [", "groupIds: [1, ", "groupIds[0] is int, not string"),
    ("monitoring", "disableLocalAuth: true", "disableLocalAuth: 'yes'", "is string, not bool"),
    ("monitoring", "retentionInDays: retentionDays", "customerId: retentionDays", "customerId is read-only"),
    ("monitoring", "Application_Type:", "ApplicationType:", "ApplicationType is not known"),
    ("source-roles", "principalType: 'ServicePrincipal'", "principalType: 'App'", "principalType is 'App'"),
    ("source-roles", "principalId: principalId", "principalId: restores", "principalId is bool, not string"),
    ("alerts", "scopes: [backupAccountId]", "scopes: backupAccountId", "scopes is string, not array"),
    ("custom-role", "actions: role.Actions", "actions: role.Name", "permissions[0].actions is string, not array"),
    ("alerts", "operator: 'Include'", "operator: 'Includes'", "dimensions[0].operator is 'Includes'"),
    ("alerts", "timeAggregation: 'Count'", "timeAggregation: 'Counts'", "timeAggregation is 'Counts'"),
    ("alerts", "severity: 1", "severity: '1'", "severity is string, not int"),
    ("alerts", "name: 'operator'\n", "\n", "emailReceivers[0].name is missing"),
    ("alerts", "groupShortName: 'tidemark'", "groupShortName: 'tidemark-backups'", "beyond its max_length of 12"),
    ("alerts", "scheduledQueryRules@2023-12-01", "scheduledQueryRules@2023-12-02", "there is no model"),
]


def module(name: str) -> Path:
    return INFRA / "modules" / f"{name}.bicep"


def changed(path: Path, old: str, new: str) -> BicepFile:
    """Read a file with one change in it."""
    source = path.read_text()
    assert old in source
    return parse(source.replace(old, new, 1), path)


def misspelt(resource: Declared) -> Iterator[tuple[str, Declared]]:
    """Give a resource with each of its properties misspelt, and in another case; each with what is written then."""
    words = [Word(Kind.LINE_END, "", 0), *resource.words]
    for place, (before, word, after) in enumerate(zip(words, words[1:], words[2:], strict=False)):
        is_key = after.text == ":" and (before.kind is Kind.LINE_END or before.text in {"{", ","})
        if word.kind is Kind.NAME and is_key:
            for written in (f"{word.text}s", word.text[0].swapcase() + word.text[1:]):
                wrong = replace(word, text=written)
                yield written, replace(resource, words=(*words[1 : place + 1], wrong, *words[place + 2 :]))


@pytest.mark.parametrize("path", BICEP_FILES, ids=lambda path: path.name)
def test_every_resource_is_what_its_type_says(path: Path) -> None:
    assert made_by(read(path)) or path == MAIN
    assert wrong_types(read(MAIN), read(path)) == []


@pytest.mark.parametrize("path", BICEP_FILES, ids=lambda path: path.name)
def test_a_property_that_is_misspelt_or_in_another_case_is_found_wherever_it_is(path: Path) -> None:
    found = read(path)
    for resource in made_by(found):
        tried = list(misspelt(resource))
        assert tried
        for written, wrong in tried:
            assert [line for line in wrong_in(read(MAIN), found, wrong) if f".{written} is " in line], written


@pytest.mark.parametrize(("name", "old", "new", "mistake"), MISTAKES, ids=lambda value: str(value).strip())
def test_what_is_wrong_in_a_resource_is_found(name: str, old: str, new: str, mistake: str) -> None:
    found = wrong_types(read(MAIN), changed(module(name), old, new))
    assert [line for line in found if mistake in line]


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("'Standard_RAGZRS'", "'Standard_RAGZS'", "account.sku.name is 'Standard_RAGZS'"),
        ("redundancy: backupRedundancy", "redundancy: softDeleteDays", "account.sku.name is int, not string"),
        ("@maxValue(365)", "@maxValue(366)", "days is beyond its maximum of 365"),
    ],
)
def test_what_a_parameter_of_the_deployment_allows_is_held_against_the_types_too(
    old: str, new: str, mistake: str
) -> None:
    found = wrong_types(changed(MAIN, old, new), read(module("backup-account")))
    assert [line for line in found if mistake in line]


def test_the_models_are_of_the_version_that_a_resource_names_or_say_why_not() -> None:
    of_another = {resource for resource in MODELS if resource.rpartition("@")[2] not in versions_of(resource)}
    assert of_another == OF_ANOTHER_VERSION.keys()
    for resource, reason in OF_ANOTHER_VERSION.items():
        assert reason.partition(":")[0] in versions_of(resource)

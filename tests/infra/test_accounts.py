"""The storage accounts let in who has a role, over TLS, and nobody else; the backups are kept."""

from typing import Any

import pytest

from tests.infra.tree import resources

ACCOUNTS = ["host-storage.bicep/account", "backup-account.bicep/account"]


def account(name: str) -> dict[str, Any]:
    return resources("Microsoft.Storage/storageAccounts")[name]


def test_these_are_all_accounts() -> None:
    assert sorted(resources("Microsoft.Storage/storageAccounts")) == sorted(ACCOUNTS)


@pytest.mark.parametrize("name", ACCOUNTS)
def test_an_account_takes_no_key_and_shows_nothing_to_the_public(name: str) -> None:
    properties = account(name)["properties"]
    assert properties["allowSharedKeyAccess"] is False
    assert properties["allowBlobPublicAccess"] is False
    assert properties["allowCrossTenantReplication"] is False
    assert properties["minimumTlsVersion"] == "TLS1_2"
    assert properties["supportsHttpsTrafficOnly"] is True


@pytest.mark.parametrize("name", ACCOUNTS)
def test_an_account_is_closed_to_the_internet_where_the_network_is_private(name: str) -> None:
    rules = account(name)["properties"]["networkAcls"]
    assert rules["defaultAction"]["operator"] == {
        "type": "conditional",
        "operands": {"condition": "privateNetwork", "true_value": "Deny", "false_value": "Allow"},
    }
    assert rules["bypass"] == "None"


@pytest.mark.parametrize("name", ACCOUNTS)
def test_an_account_is_standard(name: str) -> None:
    assert account(name)["kind"] == "StorageV2"


def test_what_is_deleted_of_the_backups_can_be_brought_back() -> None:
    properties = resources("Microsoft.Storage/storageAccounts/blobServices")["backup-account.bicep/blobs"]["properties"]
    assert properties["isVersioningEnabled"] is False, "each snapshot would leave a version behind"
    for policy in ("deleteRetentionPolicy", "containerDeleteRetentionPolicy"):
        assert properties[policy] == {"enabled": True, "days": "softDeleteDays"}


def test_the_backup_account_is_locked() -> None:
    (lock,) = resources("Microsoft.Authorization/locks").values()
    assert lock["scope"] == "account"
    assert lock["properties"]["level"] == "CanNotDelete"


def test_who_deletes_what_in_the_backup_account_is_told_to_the_workspace() -> None:
    (logs,) = resources("Microsoft.Insights/diagnosticSettings").values()
    assert logs["scope"] == "blobs"
    assert logs["properties"]["workspaceId"] == "workspaceId"
    assert logs["properties"]["logs"] == [{"category": "StorageDelete", "enabled": True}]


def test_nobody_publishes_by_password() -> None:
    policies = resources("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    assert {policy["name"]: policy["properties"]["allow"] for policy in policies.values()} == {
        "ftp": False,
        "scm": False,
    }


def test_logs_are_written_by_identity() -> None:
    (insights,) = resources("Microsoft.Insights/components").values()
    (workspace,) = resources("Microsoft.OperationalInsights/workspaces").values()
    assert insights["properties"]["DisableLocalAuth"] is True
    assert workspace["properties"]["features"]["disableLocalAuth"] is True

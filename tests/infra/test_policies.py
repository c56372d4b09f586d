"""checkov's policies hold; what is left out says why."""

import pytest

from tests.infra.checkov import Report, check
from tests.infra.tree import MAIN, MODULES, parsed

# Those that checkov has policies for; that it is silent about one of them tells nothing.
LOOKED_AT = {
    "backup-account.bicep/account",
    "backup-account.bicep/container",
    "custom-role.bicep/definition",
    "function-app.bicep/app",
    "function-app.bicep/authentication",
    "function-app.bicep/plan",
    "function-app.bicep/heartbeatUrl",
    "host-storage.bicep/account",
    "host-storage.bicep/package",
    "network.bicep/network",
}
OPEN_ACCOUNT = """
resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: 'open'
  location: 'westeurope'
  kind: 'StorageV2'
  sku: {
    name: 'Standard_GRS'
  }
  properties: {
    allowBlobPublicAccess: true
    minimumTlsVersion: 'TLS1_0'
  }
}
"""


# For each change by a job of its own: to install checkov takes longer than most tests.
by_checkov = pytest.mark.nightly


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    wrong = tmp_path_factory.mktemp("policies")
    (wrong / "open.bicep").write_text(OPEN_ACCOUNT)
    (wrong / "torn.bicep").write_text("resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {")
    return check([*MODULES, wrong / "open.bicep", wrong / "torn.bicep"])


@by_checkov
@pytest.mark.xdist_group("checkov")
def test_the_policies_hold_and_exceptions_say_why(report: Report) -> None:
    failed = [name for name in report.failed if "open.bicep" not in name]
    assert failed == []
    assert report.looked_at - {"open.bicep/account"} == LOOKED_AT
    assert all(len(reason) > len("because") for reason in report.skipped.values())
    # The torn file alone: all others were read.
    assert report.parsing_errors == 1


@by_checkov
@pytest.mark.xdist_group("checkov")
def test_an_open_account_is_found(report: Report) -> None:
    failed = {name.split()[0] for name in report.failed}
    assert {"CKV_AZURE_35", "CKV_AZURE_44"} <= failed


def test_the_file_that_checkov_cannot_read_makes_nothing_that_it_has_policies_for() -> None:
    # Its parser knows neither types nor lambdas.
    made = {resource["type"] for resource in parsed(MAIN)["resources"].values()}
    assert made == {"Microsoft.Resources/resourceGroups"}

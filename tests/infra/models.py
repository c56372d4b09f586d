"""The public models that resources are held against: those of the management SDKs, with REST's names and marks."""

import hashlib
import json
import os
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.infra.own_venv import OwnVenv

VENV = OwnVenv(".venv-models", Path(__file__).with_name("models.lock"))
_SCRIPT = Path(__file__).with_name("describe_models.py")
_KEPT = VENV.folder / "described.json"

# What a resource is made by: a type and version that is not here has no model, and fails.
MODELS = {
    "Microsoft.Authorization/locks@2020-05-01": "resource.locks.models:ManagementLockObject",
    "Microsoft.Authorization/roleAssignments@2022-04-01": (
        "authorization.v2022_04_01.models:RoleAssignmentCreateParameters"
    ),
    "Microsoft.Authorization/roleDefinitions@2022-04-01": "authorization.v2022_04_01.models:RoleDefinition",
    "Microsoft.Insights/actionGroups@2023-01-01": "monitor.v2023_01_01.models:ActionGroupResource",
    "Microsoft.Insights/activityLogAlerts@2020-10-01": "monitor.v2020_10_01.models:ActivityLogAlertResource",
    "Microsoft.Insights/components@2020-02-02": "applicationinsights.v2020_02_02.models:ApplicationInsightsComponent",
    "Microsoft.Insights/diagnosticSettings@2021-05-01-preview": (
        "monitor.v2021_05_01_preview.models:DiagnosticSettingsResource"
    ),
    "Microsoft.Insights/scheduledQueryRules@2023-12-01": (
        "monitor.v2022_08_01_preview.models:ScheduledQueryRuleResource"
    ),
    "Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30": "msi.v2024_11_30.models:Identity",
    "Microsoft.Network/privateDnsZones@2024-06-01": "privatedns.models:PrivateZone",
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01": "privatedns.models:VirtualNetworkLink",
    "Microsoft.Network/privateEndpoints@2024-05-01": "network.models:PrivateEndpoint",
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-05-01": "network.models:PrivateDnsZoneGroup",
    "Microsoft.Network/virtualNetworks@2024-05-01": "network.models:VirtualNetwork",
    "Microsoft.OperationalInsights/workspaces@2025-02-01": "loganalytics.models:Workspace",
    "Microsoft.Resources/resourceGroups@2024-11-01": "resource.resources.v2024_11_01.models:ResourceGroup",
    "Microsoft.Storage/storageAccounts@2025-01-01": "storage.models:StorageAccountCreateParameters",
    "Microsoft.Storage/storageAccounts/blobServices@2025-01-01": "storage.models:BlobServiceProperties",
    "Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01": "storage.models:BlobContainer",
    "Microsoft.Storage/storageAccounts/queueServices@2025-01-01": "storage.models:QueueServiceProperties",
    "Microsoft.Storage/storageAccounts/queueServices/queues@2025-01-01": "storage.models:StorageQueue",
    "Microsoft.Web/serverfarms@2024-11-01": "web.models:AppServicePlan",
    "Microsoft.Web/sites@2024-11-01": "web.models:Site",
    "Microsoft.Web/sites/config@2024-11-01": "web.models:SiteAuthSettingsV2",
    "Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01": (
        "web.models:CsmPublishingCredentialsPoliciesEntity"
    ),
}

# Those whose models are of a version beside the template's, each with why.
OF_ANOTHER_VERSION = {
    "Microsoft.Insights/scheduledQueryRules@2023-12-01": (
        "2022-08-01-preview: the only SDK with 2023-12-01 (azure-mgmt-monitor 7) has no diagnostic settings"
    ),
    "Microsoft.OperationalInsights/workspaces@2025-02-01": "2025-07-01: no SDK is of 2025-02-01; this is the next",
}


@dataclass(slots=True)
class Field:
    """What may stand at a place in a resource.

    Attributes:
        type: as the SDKs write it: `str`, `[str]` (an array), `{str}` (a map), or the name of a model.
        read_only: whether only the service says it.
        required: whether it has to be there.
        values: those that are taken; empty for any.
        limits: `minimum`, `maximum`, `min_length`, `max_length`, `max_items`.
        within: what the SDK's model has flattened, by name; then the type is empty.
        module: the Python module of the types that are named.
    """

    type: str = ""
    read_only: bool = False
    required: bool = False
    values: list[Any] = field(default_factory=list)
    limits: dict[str, int] = field(default_factory=dict)
    within: dict[str, "Field"] = field(default_factory=dict)
    module: str = ""


def fields_of(resource: str) -> dict[str, Field]:
    """Give what a resource of a type and version takes.

    Raises:
        KeyError: there is no model for it.
    """
    return fields_of_model(*_path(resource).split(":"))


@cache
def fields_of_model(module: str, name: str) -> dict[str, Field]:
    """Give what a model takes, by its names in REST."""
    found: dict[str, Field] = {}
    for entry in _described()["types"][f"{module}:{name}"]:
        *parents, last = entry["path"]
        inner = found
        for parent in parents:
            above = inner.setdefault(parent, Field())
            above.required |= entry["required"] and not entry["read_only"]
            inner = above.within
        inner[last] = Field(**{key: said for key, said in entry.items() if key != "path"}, module=module)
    return found


def is_model(module: str, name: str) -> bool:
    """Tell whether a type is a model."""
    return f"{module}:{name}" in _described()["types"]


def versions_of(resource: str) -> list[str]:
    """Give the versions of the API that a resource's model is of."""
    found: list[str] = _described()["versions"][_path(resource)]
    return found


def _path(resource: str) -> str:
    return f"azure.mgmt.{MODELS[resource]}"


@cache
def _described() -> dict[str, Any]:
    """Have the models described: once for a lock, a script and a list of models, since importing them takes seconds."""
    VENV.install()
    asked = json.dumps(sorted({_path(resource) for resource in MODELS}))
    wanted = hashlib.sha256(VENV.lock.read_bytes() + _SCRIPT.read_bytes() + asked.encode()).hexdigest()
    kept: dict[str, Any] = json.loads(_KEPT.read_text("utf-8")) if _KEPT.exists() else {}
    if kept.get("of") != wanted:
        command = (str(VENV.python), "-I", "-B", "-W", "ignore", str(_SCRIPT))
        done = subprocess.run(command, input=asked, stdout=subprocess.PIPE, text=True, check=True)
        kept = {"of": wanted, **json.loads(done.stdout)}
        half = _KEPT.with_suffix(f".{os.getpid()}")
        half.write_text(json.dumps(kept), "utf-8")
        half.replace(_KEPT)
    return kept

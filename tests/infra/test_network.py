"""The private network: its endpoints are made so that they do not get into each other's way."""

from tests.infra.tree import INFRA, parsed


def test_private_endpoints_are_made_one_at_a_time() -> None:
    # Two of one account at the same time end in StorageAccountOperationInProgress.
    endpoints = parsed(INFRA / "modules" / "network.bicep")["resources"]["privateEndpoints"]
    assert {"type": "batchSize", "argument": 1} in endpoints["decorators"]

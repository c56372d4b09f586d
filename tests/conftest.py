"""What holds for all tests: they share the machine's cores, so none may fail for being slow."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from infra.local.azurite import Azurite
from infra.local.local_azure import LocalAzure, run_local_azure
from tests.accounts import BEHIND_A_GATEWAY, OF_THE_HOST

HERE = Path(__file__).parent
# Their processes do what is to be covered; elsewhere a host's does, and to measure there too would double the time.
MEASURED = ("logic", "simulation", "conformance", "identity")

settings.register_profile("at once", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("at once")


@pytest.fixture(scope="session")
async def azure() -> AsyncIterator[LocalAzure]:
    """A local Azure: one for all tests of a process that can share it, as it takes seconds to start."""
    async with run_local_azure((*BEHIND_A_GATEWAY, OF_THE_HOST)) as running:
        yield running


@pytest.fixture(scope="session")
def azurite(azure: LocalAzure) -> Azurite:
    """The storage behind it, where tests of a gateway or of the host have accounts of their own."""
    return azure.azurite


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out of the measured coverage what runs the app in other processes."""
    if not config.pluginmanager.hasplugin("pytest_cov"):
        return
    for item in items:
        folder = item.path.relative_to(HERE).parts[0]
        is_in_process = folder == "app" and "cloud" not in getattr(item, "fixturenames", ())
        if not (is_in_process or folder in MEASURED):
            item.add_marker("no_cover")

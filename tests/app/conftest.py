"""The local Azure is started once; each test finds it empty."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.local.local_azure import LocalAzure, run_local_azure
from tests.app.cloud import Cloud


@pytest.fixture(scope="session")
async def azure() -> AsyncIterator[LocalAzure]:
    async with run_local_azure() as running:
        yield running


@pytest.fixture
async def cloud(azure: LocalAzure, tmp_path: Path) -> AsyncIterator[Cloud]:
    async with contextlib.AsyncExitStack() as stack:
        cloud = Cloud(azure, tmp_path, stack)
        await cloud.open()
        yield cloud
        azure.gateway.faults.clear()

"""Each test finds the local Azure empty."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.local.local_azure import LocalAzure
from tests.app.cloud import Cloud


@pytest.fixture
async def cloud(azure: LocalAzure, tmp_path: Path) -> AsyncIterator[Cloud]:
    async with contextlib.AsyncExitStack() as stack:
        cloud = Cloud(azure, tmp_path, stack)
        await cloud.open()
        yield cloud
        azure.gateway.faults.clear()

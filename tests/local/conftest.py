"""A local Azure for all tests here, and a folder in which programs leave their temporary files."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.local.local_azure import LocalAzure, run_local_azure


@pytest.fixture(scope="session")
async def azure() -> AsyncIterator[LocalAzure]:
    async with run_local_azure() as running:
        yield running


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder

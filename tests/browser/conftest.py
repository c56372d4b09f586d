"""The browser, and an empty local Azure for each test."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from infra.local.__main__ import find_browser
from infra.local.local_azure import LocalAzure
from tests.app.cloud import Cloud
from tests.browser.chromium import NONE_FOUND, is_required, run_chromium


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    executable = find_browser()
    if executable is None:
        (pytest.fail if is_required() else pytest.skip)(NONE_FOUND)
    async with run_chromium(executable) as running:
        yield running


@pytest.fixture
async def cloud(azure: LocalAzure, tmp_path: Path) -> AsyncIterator[Cloud]:
    async with contextlib.AsyncExitStack() as stack:
        cloud = Cloud(azure, tmp_path, stack)
        await cloud.open()
        yield cloud
        azure.gateway.faults.clear()

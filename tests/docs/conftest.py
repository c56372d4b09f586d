"""The docs' commands find the local Azure that the tests of the whole app find, and one Azure CLI."""

from collections.abc import Iterator

import pytest

from tests.app.conftest import cloud
from tests.docs.azure_cli import AzureCli

__all__ = ["azure_cli", "cloud"]


@pytest.fixture(scope="session")
def azure_cli() -> Iterator[AzureCli]:
    """The CLI, for tests of one group: to start it, and to have it load what it reads, takes seconds."""
    with AzureCli() as cli:
        yield cli

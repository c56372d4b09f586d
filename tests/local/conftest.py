"""A folder in which programs leave their temporary files."""

from pathlib import Path

import pytest


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder

"""The pictures of the README are taken by a script, of a page that the app serves."""

from pathlib import Path

import pytest

from infra.local.__main__ import find_browser
from tests.browser import screenshots
from tests.browser.chromium import NONE_FOUND, is_required

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.nightly
async def test_the_pictures_are_taken_anew(tmp_path: Path) -> None:
    if find_browser() is None and not is_required():
        pytest.skip(NONE_FOUND)
    assert await screenshots.main(tmp_path) == 0
    taken, shown = pictures_in(tmp_path), pictures_in(screenshots.FOLDER)
    assert taken.keys() == shown.keys()
    assert all(picture.startswith(PNG) for picture in taken.values())


def pictures_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}

"""Make the files of a release from this checkout: `python3 -m infra.release TAG FOLDER`, by Python 3.13 alone.

FOLDER gets the deployment package (tidemark-VERSION.zip), its checksum (beside it, .sha256) and the release's notes
(notes.md). The workflow `release` runs it; run by hand on the same commit, it makes the same bytes.
"""

import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from infra.release.changelog import section
from infra.release.errors import ReleaseError
from infra.release.package import checksum, files_of_func, pack

ROOT = Path(__file__).resolve().parent.parent.parent
USAGE = "usage: python3 -m infra.release TAG FOLDER (TAG: v and the version in pyproject.toml, such as v0.1.0)"


def main(arguments: Sequence[str]) -> int:
    """Make the files; return the exit code (1: the tag can't be released, 2: wrong arguments)."""
    if len(arguments) != 2:  # noqa: PLR2004 - the two that USAGE names
        print(USAGE, file=sys.stderr)
        return 2
    try:
        made = release(ROOT, arguments[0], Path(arguments[1]))
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(str(path) for path in made))
    return 0


def release(project: Path, tag: str, folder: Path) -> list[Path]:
    """Write the package, its checksum and the notes of a tag into a folder; return their paths.

    Raises:
        ReleaseError: the tag is not of the project's version, or the changelog has no section for it.
    """
    version: str = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    if tag != f"v{version}":
        raise ReleaseError(
            f"The tag is {tag!r}, and pyproject.toml says version {version}. "
            f"What to do: tag it v{version}, or set the version there, and tag that commit."
        )
    text = section((project / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    # Listed first: the folder may be in the project.
    names = files_of_func(project)
    folder.mkdir(parents=True, exist_ok=True)
    package = folder / f"tidemark-{version}.zip"
    sums, notes = package.with_name(f"{package.name}.sha256"), folder / "notes.md"
    pack(project, names, package)
    sums.write_text(checksum(package), encoding="ascii")
    notes.write_text(text, encoding="utf-8")
    return [package, sums, notes]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The deployment package: the files that `func azure functionapp publish` uploads, as a zip."""

import hashlib
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path

# The oldest time that a zip can hold. Files have no other here, no owner, and are not compressed: the same commit gives
# the same bytes on any machine, whatever its zlib.
EPOCH = (1980, 1, 1, 0, 0, 0)
UNIX = 3
READABLE = 0o100644 << 16


def files_of_func(project: Path) -> set[str]:
    """List what `func azure functionapp publish` packs.

    It does not read .funcignore as git would (azure-functions-core-tools: GitIgnoreParser.cs): every line counts from
    the root, whether it starts with / or not, and for all names that begin with it, up to the end of a word; `*` is one
    character or more of a name, `**` of any names, brackets are brackets; and ! wins, in whatever order.
    """
    lines = [line.strip() for line in (project / ".funcignore").read_text(encoding="utf-8").splitlines()]
    patterns = [line for line in lines if line and not line.startswith("#")]
    included = [line[1:].removeprefix("/") for line in patterns if line.startswith("!")]
    left_out = _begins_with(line for line in patterns if not line.startswith("!"))
    put_in = _begins_with(included)
    # A folder such as .venv, of which no file can be put in, is not looked into.
    roots = {pattern.partition("/")[0] for pattern in included}
    may_be_in = [top for top in project.iterdir() if top.name in roots or not left_out.match(top.name)]
    tops = list(project.iterdir()) if any("*" in root for root in roots) else may_be_in
    found = [path for top in tops for path in (top, *top.rglob("*")) if path.is_file()]
    names = {path.relative_to(project).as_posix() for path in found}
    return {name for name in names if put_in.match(name) or not left_out.match(name)}


def pack(project: Path, names: Iterable[str], package: Path) -> None:
    """Write the package, a zip of these files."""
    with zipfile.ZipFile(package, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(names):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = UNIX
            entry.external_attr = READABLE
            archive.writestr(entry, (project / name).read_bytes())


def checksum(package: Path) -> str:
    """Give the line that `sha256sum --check` reads."""
    return f"{hashlib.sha256(package.read_bytes()).hexdigest()}  {package.name}\n"


def _begins_with(patterns: Iterable[str]) -> re.Pattern[str]:
    literal = (re.escape(pattern.removeprefix("/")) for pattern in patterns)
    spelled = "|".join(text.replace(r"\*\*", ".+").replace(r"\*", "[^/]+") for text in literal)
    return re.compile(rf"(?:{spelled})\b" if spelled else "(?!)", re.ASCII)

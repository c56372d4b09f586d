"""What goes into the deployment package, as each of the two tools that deploy the app reads .funcignore."""

import os
import re
import subprocess
import zipfile
from collections.abc import Iterable
from pathlib import Path


def files_of_func(project: Path) -> set[str]:
    """List what `func azure functionapp publish` packs.

    It does not read .funcignore as git would (azure-functions-core-tools: GitIgnoreParser.cs): every line counts from
    the root, whether it starts with / or not, and for all names that begin with it, up to the end of a word; `*` is one
    character or more of a name, `**` of any names, brackets are brackets; and ! wins, in whatever order.
    """
    lines = [line.strip() for line in (project / ".funcignore").read_text().splitlines()]
    patterns = [line for line in lines if line and not line.startswith("#")]
    left_out = _begins_with(line for line in patterns if not line.startswith("!"))
    put_in = _begins_with(line[1:] for line in patterns if line.startswith("!"))
    names = {path.relative_to(project).as_posix() for path in project.rglob("*") if path.is_file()}
    return {name for name in names if put_in.match(name) or not left_out.match(name)}


def files_of_azd(project: Path) -> set[str]:
    """List what `azd deploy` packs: to it .funcignore is a .gitignore (azure-dev: project_utils.go)."""
    return files_by_git(project / ".git", project, "--exclude-from=.funcignore")


def files_by_git(git_folder: Path, project: Path, exclude: str) -> set[str]:
    """List the files of a folder that git does not ignore; `git_folder` is of a repository that holds nothing."""
    command = ("git", f"--git-dir={git_folder}", f"--work-tree={project}", "ls-files", "-z", "--others", exclude)
    # A hook's own GIT_… would lead git astray.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(command, cwd=project, env=environment, check=True, stdout=subprocess.PIPE)
    return {name for name in done.stdout.decode().split("\0") if (project / name).is_file()}


def pack(project: Path, names: Iterable[str], package: Path) -> None:
    """Write the package, a zip of these files."""
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(names):
            archive.write(project / name, name)


def _begins_with(patterns: Iterable[str]) -> re.Pattern[str]:
    literal = (re.escape(pattern.removeprefix("/")) for pattern in patterns)
    spelled = "|".join(text.replace(r"\*\*", ".+").replace(r"\*", "[^/]+") for text in literal)
    return re.compile(rf"(?:{spelled})\b" if spelled else "(?!)", re.ASCII)

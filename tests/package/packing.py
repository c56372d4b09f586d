"""What `azd` and git take of a folder; what `func` takes is in infra/release/package.py."""

import os
import subprocess
from pathlib import Path


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

"""`use`: find the app's own storage account, and remember it."""

import json
import re
import shutil
import subprocess

from tidemark.configuration import STORAGE_VARIABLE, account_named, remember
from tidemark.outcome import Answer, Exit, Problem

_SETTING = "AzureWebJobsStorage__accountName"
_OUTPUT = "TIDEMARK_HOST_STORAGE"
"""The output of infra/main.bicep that names the account; azd keeps it in its environment."""

_SECONDS = 120


def use(storage: str, app: str, group: str, *, azd: bool) -> Answer:
    """Remember an app's storage account: the one that is named, azd's, or a function app's.

    Raises:
        Problem: none or several ways are given, or the account can't be found.
    """
    if bool(app) != bool(group):
        raise Problem("--app and --group go together: the function app's name, and its resource group")
    if sum(map(bool, (storage, azd, app))) != 1:
        raise Problem("give one of --storage ACCOUNT, --azd, and --app NAME --group GROUP")
    account = account_named(storage or (_of_azd() if azd else _of_app(app, group)))
    path = remember(account)
    return Answer(
        data={"storage": account, "file": str(path)},
        shown=[f"The commands are about the app with the storage account {account}, as {path} says."],
    )


def _of_azd() -> str:
    printed = _printed("azd", "env", "get-values", advice="run it in the folder of the azd project, or give --storage")
    found = re.search(rf'^{_OUTPUT}="?([a-z0-9]+)"?\s*$', printed, re.MULTILINE)
    if not found:
        raise Problem(
            f"the azd environment has no {_OUTPUT}: it is not Tidemark's, or not deployed yet. What to do: choose it"
            " with `azd env select`, or run `azd env refresh`; or give --storage ACCOUNT"
        )
    return found[1]


def _of_app(app: str, group: str) -> str:
    command = ("az", "functionapp", "config", "appsettings", "list", "--name", app, "--resource-group", group)
    # Only this one setting leaves the program: others may hold secrets.
    query = f"[?name=='{_SETTING}'].value"
    printed = _printed(
        *command, "--query", query, "--output", "json", advice="see that `az login` was done, and the names"
    )
    try:
        found = json.loads(printed)
    except ValueError:
        found = None
    if not isinstance(found, list) or len(found) != 1:
        raise Problem(
            f"the function app {app} has no setting {_SETTING}. What to do: check the name; if it reaches its storage"
            f" in another way, give --storage ACCOUNT, or set {STORAGE_VARIABLE}"
        )
    return str(found[0])


def _printed(program: str, *arguments: str, advice: str) -> str:
    """Return what a program prints; of what it says when it fails, nothing is shown, as that may quote secrets."""
    found = shutil.which(program)
    if not found:
        raise Problem(
            f"{program} is not on the PATH. What to do: install it, or give --storage ACCOUNT", Exit.UNREACHABLE
        )
    said = " ".join((program, *arguments[:4]))
    try:
        done = subprocess.run(  # noqa: S603 - the program that was asked for
            (found, *arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        raise Problem(f"`{said}` did not answer. What to do: {advice}", Exit.UNREACHABLE) from None
    if done.returncode != 0:
        raise Problem(f"`{said}` failed with exit code {done.returncode}. What to do: {advice}", Exit.UNREACHABLE)
    return done.stdout

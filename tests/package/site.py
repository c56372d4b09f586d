"""The app as it stands in Azure after the remote build, and the worker library beside it."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INDEX = Path(__file__).with_name("index.py")
INDEX_SECONDS = 120.0


class RefusedError(Exception):
    """The worker library refuses the app; the message is all that was printed."""


@dataclass(frozen=True, slots=True)
class Site:
    """A deployed app.

    Attributes:
        folder: the unpacked package, with its requirements in .python_packages.
        worker: the folder of the worker library.
    """

    folder: Path
    worker: Path

    def index(self, settings: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
        """Have the worker library find the functions: their names, with their bindings.

        Args:
            settings: the app settings, and all that the process has of an environment.

        Raises:
            RefusedError: it does not load the app.
        """
        command = (sys.executable, "-I", "-S", str(INDEX), str(self.folder), str(self.worker))
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=dict(settings),
            timeout=INDEX_SECONDS,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RefusedError(done.stderr)
        found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
        return found

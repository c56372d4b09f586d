"""Venvs of their own for what the tests run and the app does not need: each is installed once, by a lock file."""

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.infra.tree import ROOT

if sys.platform != "win32":
    import fcntl


@dataclass(frozen=True, slots=True)
class OwnVenv:
    """A venv at the root of the repository.

    Attributes:
        name: its folder.
        lock: what is in it, with all that this needs.
    """

    name: str
    lock: Path

    @property
    def folder(self) -> Path:
        """Where it is."""
        return ROOT / self.name

    @property
    def python(self) -> Path:
        """Its Python."""
        return self.folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    def install(self) -> None:
        """Make the venv, unless it is of this lock; of tests at once, one does and the others wait."""
        with self.lock.open("rb") as lock:
            if sys.platform != "win32":
                fcntl.flock(lock, fcntl.LOCK_EX)
            wanted = hashlib.sha256(lock.read()).hexdigest()
            stamp = self.folder / ".lock-hash"
            if not stamp.exists() or stamp.read_text() != wanted:
                self._make()
                # The stamp is written last.
                stamp.write_text(wanted)

    def _make(self) -> None:
        base = getattr(sys, "_base_executable", sys.executable)
        subprocess.run((base, "-I", "-m", "venv", "--clear", "--without-pip", str(self.folder)), check=True)
        # By uv: a fraction of what pip takes for the hundred packages of checkov. Its own certificates are not the
        # machine's: behind a company's proxy it fails without those.
        uv = (sys.executable, "-I", "-m", "uv", "pip", "install", "--system-certs", "--python", str(self.python))
        subprocess.run((*uv, "--quiet", "--no-deps", "--requirement", str(self.lock)), check=True)

"""Imports the app's modules, all but the one that reads its settings, for the process that hosts are forked from."""

import importlib

from infra.local.host.process import PROJECT_ROOT

for path in sorted(PROJECT_ROOT.glob("functions/*.py")):
    importlib.import_module(f"functions.{path.stem}")

"""Imports the app's modules, except the one that reads its settings, in the process that hosts are forked from."""

import importlib

from infra.local.host.process import PROJECT_ROOT

for path in sorted(PROJECT_ROOT.glob("functions/*.py")):
    importlib.import_module(f"functions.{path.stem}")

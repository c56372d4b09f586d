"""Index the app of a deployment package as a worker in Azure does: `python -I -S index.py PACKAGE WORKER`.

The app finds the standard library, the package and what is installed in it, and nothing of the checkout and its .venv.
The worker library, and the local host's bridge to it, are taken from the folder WORKER. Prints the functions as JSON:
each one's name with its bindings.
"""

import asyncio
import contextlib
import importlib
import json
import sys
from typing import Any

PACKAGE, WORKER = sys.argv[1:]


async def functions() -> dict[str, Any]:
    """Index the app, and open its services once: that takes what is only imported when a function runs."""
    found = await _host().index(PACKAGE)
    settings = importlib.import_module("shared.settings").load_settings()
    kept = importlib.import_module("shared.azure.kept_connections").KeptConnections()
    async with (
        contextlib.aclosing(kept),
        importlib.import_module("shared.azure.services").open_services(settings, kept),
    ):
        return {function.name: [json.loads(binding) for binding in function.raw_bindings] for function in found}


def _host() -> Any:
    """Import the worker library by the local host's bridge to it, and hide the folder and the bridge from the app."""
    host = importlib.import_module("infra.local.host.worker")
    sys.path.remove(WORKER)
    for name in [name for name in sys.modules if name.partition(".")[0] == "infra"]:
        del sys.modules[name]
    return host


sys.path[:0] = [PACKAGE, f"{PACKAGE}/.python_packages/lib/site-packages"]
sys.path.append(WORKER)
json.dump(asyncio.run(functions()), sys.stdout)

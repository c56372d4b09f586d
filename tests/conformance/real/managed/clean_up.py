"""Delete the managed disks and snapshots of a run, and nothing else."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

from azure.core.exceptions import AzureError, ResourceNotFoundError

from shared.azure.answers import error_code
from shared.azure.resource_manager import ResourceManager
from tests.conformance.real.managed.ground import TAG, open_manager, waited
from tests.conformance.real.managed.place import DiskPlace, DiskScale
from tests.conformance.real.managed.refusals import missing_action
from tests.conformance.real.names import require_name

_TRIES = 3
_KINDS = {"disks": "disk", "snapshots": "snapshot"}


async def take_away_disks(name: str, place: DiskPlace, made: Iterable[str], scale: DiskScale) -> list[str]:
    """End the access to all disks and snapshots of a run, and delete them.

    It gives what could not be deleted, each with the command that deletes it.

    Args:
        name: the run's name.
        place: where they are.
        made: the resource IDs that are known; a list of the group may not show yet what was made just now.
        scale: how long to wait.

    Raises:
        ValueError: the name is none of a run.
    """
    require_name(name)
    left: list[str] = []
    async with open_manager(place) as manager:
        known = {path.lower(): path for path in made}
        for kind in _KINDS:
            try:
                # A busy service may ask to come back in half an hour, which nobody would wait for.
                async with asyncio.timeout(scale.end_seconds):
                    known |= {path.lower(): path async for path in _of_run(manager, name, kind, place)}
            except ResourceNotFoundError:  # no such group: nothing is in it
                continue
            except (AzureError, TimeoutError) as error:
                look = _listing(kind, name, place)
                left.append(f"the {kind} of the group can't be listed: {_why(error)}. Look: `{look}`")
        deleted = await asyncio.gather(*(_delete(manager, path, name, scale) for path in known.values()))
    return sorted([*left, *filter(None, deleted)])


async def _of_run(manager: ResourceManager, name: str, kind: str, place: DiskPlace) -> AsyncIterator[str]:
    async for found in manager.list(f"{place.group.compute}/{kind}"):
        if _is_of(name, found):
            yield str(found["id"])


async def _delete(manager: ResourceManager, path: str, name: str, scale: DiskScale) -> str:
    """Delete a resource and wait until it is gone; say what is left to do, if anything is."""
    try:
        async with asyncio.timeout(scale.end_seconds):
            why = await _try_to_delete(manager, path, name, scale)
    except TimeoutError as error:
        why = _why(error)
    return f"{path.rpartition('/')[2]}: {why}. Delete it: `{_command(path)}`" if why else ""


async def _try_to_delete(manager: ResourceManager, path: str, name: str, scale: DiskScale) -> str:
    """Delete a resource, some times; say why it is still there, if it is."""

    async def is_gone() -> bool:
        return await manager.find(path) is None

    why = ""
    for attempt in range(_TRIES):
        await asyncio.sleep(attempt * scale.poll_seconds)
        try:
            found = await manager.find(path)
            if found is None or not _is_of(name, found):
                return ""
            # Whatever comes of it: where there is no access, nothing keeps it from being deleted.
            with contextlib.suppress(AzureError):
                await manager.act(f"{path}/endGetAccess")
            await manager.delete(path)
            if await waited(is_gone, scale.gone_seconds, scale.poll_seconds):
                return ""
            why = "it is still there"
        except AzureError as error:
            why = _why(error)
    return why


def _is_of(name: str, found: dict[str, object]) -> bool:
    tags = found.get("tags")
    return isinstance(tags, dict) and tags.get(TAG) == name and str(found.get("name", "")).startswith(f"{name}-")


def _why(error: AzureError | TimeoutError) -> str:
    if isinstance(error, TimeoutError):
        return "it takes too long"
    if action := missing_action(error):
        return f"no role permits {action}"
    return f"{getattr(error, 'status_code', '')} {error_code(error) or type(error).__name__}".strip()


def _command(path: str) -> str:
    """Give the command that deletes a disk or a snapshot, without its subscription."""
    parts = path.split("/")
    group, kind, own = parts[4], parts[-2], parts[-1]
    where = f"--resource-group {group} --name {own}"
    confirmed = " --yes" if kind == "disks" else ""
    return f"az {_KINDS[kind]} revoke-access {where}; az {_KINDS[kind]} delete {where}{confirmed}"


def _listing(kind: str, name: str, place: DiskPlace) -> str:
    group = f"--resource-group {place.group.group}"
    return f"az {_KINDS[kind]} list {group} --query \"[?starts_with(name, '{name}')].name\""

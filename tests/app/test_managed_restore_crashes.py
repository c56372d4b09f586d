"""Killed before or after a call to storage or to the resource manager, and started again, the app ends a restore."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from infra.local.gateway import Interceptor, When
from infra.local.managed_disks import ManagedDisks
from shared.model.run import Kind
from tests.app.cloud import App, Cloud, until
from tests.app.managed_restoring import BACK, ask, at, backed_up, content, done
from tests.app.test_managed_disks import DISKS_OF_GROUP, Managed, back_up

CRASHES = 12
"""How many of its calls it is killed at, spread over all."""
SHORT_LEASE = 2.0


@contextmanager
def intercepted(cloud: Cloud, managed: ManagedDisks, interceptor: Interceptor) -> Iterator[None]:
    """Have both see each call, until the block ends."""
    services: list[Any] = [cloud.azure.gateway, managed.resource_manager]
    for service in services:
        service.interceptor = interceptor
    try:
        yield
    finally:
        for service in services:
            service.interceptor = None


async def killed(app: App, managed: ManagedDisks, asked: tuple[str, str], *, number: int, when: When) -> str:
    """Ask for a restore, and wait until the app is killed at a call, or has ended the restore; give its id."""
    interceptor = Interceptor(lambda _: True, number, when, app.host.kill)
    with intercepted(app.cloud, managed, interceptor):
        restore = await ask(app.cloud, *asked)

        async def over() -> bool:
            return interceptor.struck is not None or await _has_ended(app, managed, asked[1])

        await until(over, f"the crash at call {number}")
    return restore


async def _has_ended(app: App, managed: ManagedDisks, target: str) -> bool:
    made = at(managed, target)
    return made is not None and not made.upload and await app.idle()


@pytest.mark.nightly
async def test_whatever_call_it_is_killed_at_a_managed_disk_is_made_whole_and_once(
    cloud: Cloud, managed: ManagedDisks
) -> None:
    settings: Any = managed.settings
    async with backed_up(cloud, managed, lease=SHORT_LEASE) as (app, data):
        calm = Interceptor(lambda _: True, 0, "before", app.host.kill)
        with intercepted(cloud, managed, calm):
            await done(app, await ask(cloud, data.known.name))
    assert len(calm.calls) > CRASHES
    targets = [f"{BACK}-{number}" for number in range(CRASHES)]
    for number, target in enumerate(targets):
        when: When = "before" if number % 2 else "after"
        async with cloud.app(f"{DISKS_OF_GROUP}/data", lease=SHORT_LEASE, **settings) as app:
            at_call = 1 + number * len(calm.calls) // CRASHES
            restore = await killed(app, managed, (data.known.name, target), number=at_call, when=when)
        async with cloud.app(f"{DISKS_OF_GROUP}/data", lease=SHORT_LEASE, **settings) as app:
            await done(app, restore)
            made = at(managed, target)
            assert made
            assert (made.upload, await content(made)) == (None, await data.content()), f"{when} call {at_call}"
    async with cloud.app(f"{DISKS_OF_GROUP}/data", **settings) as app:
        restored = [Managed(cloud, made) for target in (BACK, *targets) if (made := at(managed, target))]
        assert len(restored) == 1 + CRASHES
        for disk in restored:
            await disk.disk.write(0, bytes(4096))
        points = await back_up(app, *restored)
    assert [point.kind for point in points] == [Kind.INCREMENTAL] * len(points)
    per_disk = Counter(snapshot.source_id.lower() for snapshot in managed.snapshots)
    assert set(per_disk.values()) == {1}, "the base of each disk's next run, and no more"

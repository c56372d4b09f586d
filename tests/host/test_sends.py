"""What is sent in the host's own process is looked for when it can be received, and not before."""

import asyncio
import contextlib

from azure.core.exceptions import ResourceNotFoundError

from infra.local.host.sends import Sends
from tests.host.sample import Sample


async def test_a_message_is_told_of_when_it_can_be_received(sample: Sample) -> None:
    notes, others = await sample.new_queue("notes"), await sample.new_queue("others")
    sends, told = Sends(), asyncio.Event()
    sends.add_callback(notes.queue_name, told.set)
    with sends.watched():
        await others.send_message("of another queue")
        assert not told.is_set()
        await notes.send_message("at once")
        assert told.is_set()
        told.clear()
        await notes.send_message("hidden for a while", visibility_timeout=1)
        assert not told.is_set()
        await told.wait()
    assert {message.content async for message in notes.receive_messages()} == {"at once", "hidden for a while"}


async def test_nothing_is_told_of_what_the_service_has_not_taken(sample: Sample) -> None:
    missing = sample.queue("missing")
    sends, told = Sends(), asyncio.Event()
    sends.add_callback(missing.queue_name, told.set)
    with sends.watched(), contextlib.suppress(ResourceNotFoundError):
        await missing.send_message("lost")
    assert not told.is_set()

"""Messages are sent alike in memory and on Azurite's queues."""

from datetime import timedelta

from shared.azure.queues import QUEUE_OF
from shared.model.messages import BatchMessage, FinishMessage, Message, PlanMessage, RestoreMessage
from tests.conformance.clouds import Cloud

TIME = "2026-11-22T10:00:00.1234567Z"


async def received(cloud: Cloud, kind: type[Message]) -> list[Message]:
    return [kind.read(body) for body in await cloud.receive(QUEUE_OF[kind])]


async def test_each_message_is_seen_at_once_on_the_queue_of_its_step(cloud: Cloud) -> None:
    disk = cloud.named("Disk 1 ünï & <2>.vhd")
    sent: list[Message] = [
        PlanMessage(disk=disk, run=TIME),
        BatchMessage(disk=disk, run=TIME, plan=1, number=3),
        FinishMessage(disk=disk, run=TIME),
        RestoreMessage(disk=disk, restore="some-id"),
    ]
    for message in sent:
        await cloud.services.queues.send(message)
    for message in sent:
        assert await received(cloud, type(message)) == [message]
        assert await received(cloud, type(message)) == []


async def test_a_message_sent_twice_is_two(cloud: Cloud) -> None:
    message = FinishMessage(disk=cloud.named("disk.vhd"), run=TIME)
    for _ in range(2):
        await cloud.services.queues.send(message)
    assert await received(cloud, FinishMessage) == [message, message]


async def test_a_delayed_message_is_seen_after_its_delay(cloud: Cloud) -> None:
    message = FinishMessage(disk=cloud.named("disk.vhd"), run=TIME)
    sent = cloud.services.now()
    await cloud.services.queues.send(message, timedelta(seconds=1))
    while not (found := await received(cloud, FinishMessage)):
        assert cloud.services.now() < sent + timedelta(seconds=30)
        await cloud.pass_time()
    assert found == [message]
    # Azurite's clock for messages drops fractions of a millisecond.
    assert cloud.services.now() > sent + timedelta(milliseconds=990)


async def test_a_message_waits_from_when_it_is_seen_until_it_is_received(cloud: Cloud) -> None:
    message = BatchMessage(disk=cloud.named("disk.vhd"), run=TIME, number=3)
    assert not await cloud.services.queues.is_any_waiting(BatchMessage)
    await cloud.services.queues.send(message, timedelta(minutes=1))
    assert not await cloud.services.queues.is_any_waiting(BatchMessage)
    await cloud.services.queues.send(message)
    assert await cloud.services.queues.is_any_waiting(BatchMessage)
    assert not await cloud.services.queues.is_any_waiting(FinishMessage)
    assert await received(cloud, BatchMessage) == [message]
    assert not await cloud.services.queues.is_any_waiting(BatchMessage)


async def test_a_delay_is_of_whole_seconds(cloud: Cloud) -> None:
    message = FinishMessage(disk=cloud.named("disk.vhd"), run=TIME)
    await cloud.services.queues.send(message, timedelta(milliseconds=999))
    assert await received(cloud, FinishMessage) == [message]


async def test_an_existing_queue_is_not_created_again(cloud: Cloud) -> None:
    message = FinishMessage(disk=cloud.named("disk.vhd"), run=TIME)
    await cloud.services.queues.send(message)
    await cloud.services.ensure()
    await cloud.services.backups.ensure()
    assert await received(cloud, FinishMessage) == [message]

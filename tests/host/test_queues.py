"""The queue trigger, on real queues."""

import base64
import time
import uuid
from functools import partial

import pytest

from infra.local.host.process import HostProcess
from tests.host.sample import Sample, until, write_host_file


async def test_a_message_runs_the_function_once_and_is_deleted(host: HostProcess, shared_sample: Sample) -> None:
    notes = await shared_sample.new_queue("notes")  # not there when the host began to listen
    body = "½ & <tag> 'one'"
    sent = await notes.send_message(body)
    await until(lambda: shared_sample.is_empty("notes"), "the message's deletion")
    [event] = shared_sample.events("note", "ran", body=body)
    assert event["id"] == sent.id
    assert event["dequeue_count"] == 1
    assert sent.inserted_on is not None
    assert event["insertion_time"] == sent.inserted_on.isoformat()
    assert event["expiration_time"] > event["insertion_time"]
    assert (await host.status())["invocations"]["note"]["failed"] == 0


async def test_a_connection_of_another_name_is_used(host: HostProcess, shared_sample: Sample) -> None:
    errands = await shared_sample.new_queue("errands")
    await errands.send_message("run")
    await until(lambda: shared_sample.events("run_errand", body="run"), "the blueprint's function")
    assert (await host.status())["state"] == "Running"


async def test_base64_messages_are_decoded_by_default(sample: Sample) -> None:
    write_host_file(sample.app)
    notes = await sample.new_queue("notes")
    await notes.send_message(base64.b64encode("größer".encode()).decode())
    async with sample.host():
        await until(lambda: sample.events("note", body="größer"), "the function")


async def test_a_message_that_can_not_be_decoded_goes_to_the_poison_queue_without_running(sample: Sample) -> None:
    write_host_file(sample.app, messageEncoding="base64")
    notes = await sample.new_queue("notes")
    await notes.send_message('{"plain": true}')
    async with sample.host():
        assert await until(lambda: sample.in_poison("notes"), "the poison message") == ['{"plain": true}']
        await until(lambda: sample.is_empty("notes"), "the original's deletion")
    assert sample.events("note") == []


@pytest.mark.parametrize("body", ["raise & fail", "be cancelled"])
async def test_a_function_that_keeps_failing_is_tried_so_often_and_its_message_kept_as_poison(
    sample: Sample, body: str
) -> None:
    write_host_file(sample.app, messageEncoding="none", maxDequeueCount=3)
    failures = await sample.new_queue("failures")
    await failures.send_message(body)
    async with sample.host() as host:
        assert await until(lambda: sample.in_poison("failures"), "the poison message") == [body]
        await until(lambda: sample.is_empty("failures"), "the original's deletion")
        assert (await host.status())["invocations"]["fail"] == {"succeeded": 0, "failed": 3, "running": 0}
    assert [event["dequeue_count"] for event in sample.events("fail", body=body)] == [1, 2, 3]
    log = sample.log.read_text()
    assert log.count("outcome=failed") == 3
    assert "dequeue=3 poison=" in log, "poisoned right after the last try, not at the next receipt"


async def test_a_failed_message_is_tried_again_after_the_visibility_timeout(sample: Sample) -> None:
    write_host_file(sample.app, messageEncoding="none", maxDequeueCount=2, visibilityTimeout="00:00:02")
    failures = await sample.new_queue("failures")
    await failures.send_message("fail")
    async with sample.host():
        await until(lambda: sample.in_poison("failures"), "the poison message")
    first, second = sample.events("fail")
    assert second["at"] - first["at"] >= 1.5, "Azurite keeps whole seconds"


async def test_a_message_received_too_often_goes_to_the_poison_queue_without_running(sample: Sample) -> None:
    write_host_file(sample.app, messageEncoding="none", maxDequeueCount=1)
    notes = await sample.new_queue("notes")
    await notes.send_message("a crasher")
    received = await notes.receive_message(visibility_timeout=600)
    assert received is not None
    await notes.update_message(received.id, received.pop_receipt, visibility_timeout=0)
    async with sample.host():
        assert await until(lambda: sample.in_poison("notes"), "the poison message") == ["a crasher"]
    assert sample.events("note") == []


async def test_a_message_comes_back_after_its_lease_when_the_host_was_killed(sample: Sample) -> None:
    holds = await sample.new_queue("holds")
    await holds.send_message("a long job")
    async with sample.host(message_lease=2) as killed:
        await until(lambda: sample.events("hold", "started"), "the first try")
        killed.kill()
        assert await killed.stop() == -9
    sample.release()
    async with sample.host(message_lease=2):
        await until(lambda: sample.is_empty("holds"), "the second try's end")
    assert [event["dequeue_count"] for event in sample.events("hold", "started")] == [1, 2]
    assert len(sample.events("hold", "ended")) == 1


@pytest.mark.nightly
async def test_a_message_is_not_run_twice_while_its_function_outlasts_the_lease(sample: Sample) -> None:
    holds = await sample.new_queue("holds")
    await holds.send_message("a long job")
    async with sample.host(message_lease=4) as host:
        [started] = await until(lambda: sample.events("hold", "started"), "the function's start")
        await until(lambda: time.monotonic() - started["at"] > 9, "more than two leases")
        assert (await host.status())["inFlight"] == 1
        sample.release()
        await until(lambda: sample.is_empty("holds"), "the message's deletion by its newest receipt")
    assert len(sample.events("hold", "started")) == 1
    assert len(sample.events("hold", "ended")) == 1


async def test_no_more_messages_run_at_once_than_a_batch_and_the_threshold(sample: Sample) -> None:
    write_host_file(sample.app, messageEncoding="none", batchSize=2, newBatchThreshold=1)
    holds = await sample.new_queue("holds")
    await sample.new_queue("notes")
    for number in range(8):
        await holds.send_message(str(number))
    async with sample.host() as host:
        assert await running_when_polled(host, sample, at_least=2) == 2, (
            "above the threshold of one no batch is fetched"
        )
        sample.release(sample.events("hold", "started")[0]["body"])
        assert await running_when_polled(host, sample, at_least=3) == 3, "at the threshold a whole batch is fetched"
        sample.release()
        await until(lambda: sample.is_empty("holds"), "all messages' deletion")
    assert len(sample.events("hold", "started")) == 8


async def running_when_polled(host: HostProcess, sample: Sample, *, at_least: int) -> int:
    """Count the functions that hold, once there are so many and every queue has been polled a few times since."""

    async def running() -> int:
        return int((await host.status())["invocations"]["hold"]["running"])

    async def are_enough() -> bool:
        return await running() >= at_least

    await until(are_enough, f"{at_least} functions that hold")
    for _ in range(5):
        body = str(uuid.uuid4())
        await sample.queue("notes").send_message(body)  # as rarely as its queue is any other polled
        await until(partial(sample.events, "note", body=body), "a note")
    return await running()

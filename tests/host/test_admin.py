"""The admin API."""

import aiohttp
import pytest

from infra.local.host.process import HostProcess
from tests.host.sample import Sample, until


async def test_an_admin_starts_a_queue_function_with_a_message_of_their_own(
    host: HostProcess, shared_sample: Sample
) -> None:
    await host.start("note", "by hand")
    [event] = await until(lambda: shared_sample.events("note", body="by hand"), "the function")
    assert event["dequeue_count"] == 0


async def test_a_function_that_is_not_there_can_not_be_started(host: HostProcess) -> None:
    with pytest.raises(RuntimeError, match="404 No function run_forgotten"):
        await host.start("run_forgotten")


@pytest.mark.parametrize("body", ["", "no json", '["input"]', '{"input": 1}'])
async def test_a_start_without_a_text_for_input_is_refused(host: HostProcess, body: str) -> None:
    url = f"{host.url}/admin/functions/note"
    async with aiohttp.ClientSession() as session, session.post(url, data=body) as answer:
        assert answer.status == 400


async def test_the_status_counts_invocations_by_how_they_ended(host: HostProcess, shared_sample: Sample) -> None:
    async def idle() -> bool:
        return bool((await host.status())["inFlight"] == 0)

    await until(idle, "the end of what other tests have begun")
    before = (await host.status())["invocations"]
    await host.start("note", "counted")
    await host.start("fail", "counted")

    async def ended() -> bool:
        now = (await host.status())["invocations"]
        return bool(
            now["note"]["succeeded"] == before["note"]["succeeded"] + 1
            and now["fail"]["failed"] == before["fail"]["failed"] + 1
        )

    await until(ended, "both to be counted")
    assert shared_sample.events("note", body="counted")

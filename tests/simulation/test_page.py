"""The page as it is served, by what the app has put on record; more recovery points cost no more reads."""

import json
from collections.abc import Mapping
from datetime import timedelta
from html import unescape
from typing import Any

import pytest

from shared.model.disk import Disk
from shared.model.names import RESTORE_REQUESTS_QUEUE, VERIFY_QUEUE
from shared.model.point import RecoveryPoint
from shared.model.report import State
from shared.model.schema import SCHEMA
from shared.page.answer import Answered, Asked, answer
from tests.simulation.blobs import Blob
from tests.simulation.calls import CURRENT, Invocation
from tests.simulation.counted import CountedScene
from tests.simulation.refusals import refusal
from tests.simulation.reported import DAY, HALF_A_DAY, back_up, backed_up, key
from tests.simulation.scenes import Scene
from tests.simulation.services import HOST, settings_of
from tests.simulation.small import make_small
from tests.simulation.world import LAB

BROWSER = "text/html,application/xhtml+xml,*/*;q=0.8"
PATHS = ["status", "status.json", "metrics"]


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    make_small(monkeypatch.setattr)


async def asked(scene: Scene, path: str = "status", accept: str = BROWSER, **query: str) -> Answered:
    CURRENT.set(Invocation("page", scene.world.now))
    return await answer(scene.services, Asked(path=path, accept=accept, query=query))


async def page(scene: Scene, **query: str) -> str:
    found = await asked(scene, **query)
    assert found.status == 200
    return unescape(found.body.decode())


async def data(scene: Scene, **query: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((await asked(scene, "status.json", **query)).body)
    return found


async def failing(*_: object) -> None:
    raise refusal(403, "AuthorizationPermissionMismatch")


async def test_the_page_says_that_all_is_safe_and_then_what_is_not() -> None:
    scene = await backed_up()
    assert "The disk is safe" in await page(scene)
    await scene.pass_time(2 * DAY)
    late = await page(scene)
    assert "The app needs attention" in late
    assert f"tidemark backup {scene.disk.url} --wait" in late


async def test_a_run_that_goes_on_is_shown_with_its_progress_and_no_more_once_it_is_sealed() -> None:
    scene = await backed_up()
    await scene.tick()
    assert "backup: requested" in await page(scene)
    await scene.pass_time(HALF_A_DAY)
    assert "backup: requested" not in await page(scene)


async def test_each_state_is_shown_as_the_report_has_it() -> None:
    scene = await backed_up()
    others = {state: LAB.blob(f"{state}.vhd") for state in State}
    row = scene.world.status[key(scene)]
    for state, blob in others.items():
        told = {**json.loads(row["report"]), "disk": blob.url, "state": str(state), "reason": "so. What to do: this"}
        scene.world.status[f"a|b|{state}"] = {**row, "disk": blob.url, "state": str(state), "report": json.dumps(told)}
    shown = await page(scene)
    told_states = {disk["disk"]: disk["state"] for disk in (await data(scene))["disks"]}
    for state, blob in others.items():
        assert told_states[blob.url] == state
        assert blob.blob in shown
        said = {State.RUNNING: "being backed up", State.RESTORING: "being restored"}.get(state, str(state))
        assert f"is {said}</h1>" in await page(scene, disk=blob.url)


async def test_jobs_under_way_and_ended_are_on_the_page() -> None:
    scene = await backed_up()
    scene.world.enqueue(VERIFY_QUEUE, json.dumps({"disk": scene.disk.url}).encode())
    await scene.deliver_next()
    assert '<th scope="row" data-label="What">verify</th>' in await page(scene)
    await scene.pass_time(HALF_A_DAY)
    shown = await page(scene)
    assert "Nothing is under way." in shown
    assert "identical" in shown


async def test_a_restore_that_is_asked_for_as_the_page_says_is_done() -> None:
    scene = await backed_up()
    shown = await page(scene, disk=scene.disk.url)
    message = shown.partition('Message on restore-requests</span><code><bdi dir="ltr">')[2].partition("</bdi>")[0]
    scene.reconfigure(RESTORE_CONTAINERS=scene.disk.parent.url)
    scene.world.enqueue(RESTORE_REQUESTS_QUEUE, message.encode())
    await scene.pass_time(HALF_A_DAY)
    [restore] = scene.world.restore_rows()
    assert restore.state == "done"


async def test_the_points_of_a_disk_are_paged_and_each_is_on_one_page() -> None:
    scene = await backed_up()
    for _ in range(29):
        await back_up(scene)
    times, before = list[str](), ""
    for _ in range(2):
        found = await data(scene, disk=scene.disk.url, before=before)
        times += [point["time"] for point in found["points"]]
        before = found["points_before"]
    assert before == ""
    assert times == [point.time for point in reversed(scene.world.points_of(scene.disk))]
    assert "1 to 25 of 30 recovery points" in await page(scene, disk=scene.disk.url)
    assert "26 to 30 of 30 recovery points" in await page(scene, disk=scene.disk.url, before=times[24])


async def test_a_disk_that_is_not_on_record_and_a_time_that_is_none_are_said_to_be_so() -> None:
    scene = await backed_up()
    for query, status, says in (
        ({"disk": "<b>nobody</b>"}, 404, "&lt;b&gt;nobody&lt;/b&gt; is not on record"),
        ({"disk": scene.disk.url, "before": "<soon>"}, 400, "&lt;soon&gt;"),
    ):
        found = await asked(scene, **query)
        assert found.status == status
        assert says in found.body.decode()
        assert "error" in json.loads((await asked(scene, "status.json", **query)).body)
    assert (await asked(scene, "elsewhere")).status == 404


@pytest.mark.parametrize("path", PATHS)
async def test_a_storage_that_can_not_be_read_is_said_with_what_to_do(path: str) -> None:
    scene = await backed_up()
    scene.services.status._rows.all = failing  # noqa: SLF001
    found = await asked(scene, path)
    assert found.status == 503
    text = found.body.decode()
    assert "AuthorizationPermissionMismatch" in text
    assert "What to do" in text
    assert found.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "query", "content"),
    [
        ("status", {}, "text/html; charset=utf-8"),
        ("status", {"disk": "nobody"}, "text/html; charset=utf-8"),
        ("status.json", {}, "application/json; charset=utf-8"),
        ("metrics", {}, "text/plain; version=0.0.4; charset=utf-8"),
        ("elsewhere", {}, "text/html; charset=utf-8"),
    ],
)
async def test_every_answer_has_the_headers_that_keep_it_to_itself(
    path: str, query: Mapping[str, str], content: str
) -> None:
    scene = await backed_up()
    found = await asked(scene, path, **query)
    assert found.headers["Content-Type"] == content
    assert found.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
    expected = {
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
    assert expected.items() <= found.headers.items()


async def test_programs_that_ask_for_json_get_the_report() -> None:
    scene = await backed_up()
    found = await asked(scene, accept="application/json")
    assert found.headers["Content-Type"] == "application/json; charset=utf-8"
    told = json.loads(found.body)
    assert [(disk["disk"], disk["state"]) for disk in told["disks"]] == [(scene.disk.url, "safe")]
    assert told["attention"] is False


async def test_no_secret_is_on_any_page() -> None:
    secret, key_of_account = "https://beats.example/7f3a-secret", "c2VjcmV0LWtleQ=="
    scene = await backed_up()
    account = f"DefaultEndpointsProtocol=https;AccountName=other;AccountKey={key_of_account};EndpointSuffix=x"
    scene.reconfigure(heartbeat_url=secret, storage_connections=json.dumps([account]))
    for path in PATHS:
        text = (await asked(scene, path)).body.decode()
        assert not [word for word in (secret, key_of_account, HOST, "AccountKey", "a2V5") if word in text]
    shown = await page(scene)
    assert "HEARTBEAT_URL" in shown
    assert "other: set; it is a secret and not shown" in shown


async def test_the_page_takes_as_many_reads_however_many_points_and_disks_there_are() -> None:
    async def reads(disks: int, points: int) -> Mapping[str, int]:
        scene = CountedScene()
        others = [LAB.blob(f"{number}.vhd") for number in range(disks)]
        for blob in others:
            scene.world.blobs[blob] = Blob([1], scene.world.number)
        urls = " ".join([scene.disk.url, *(blob.url for blob in others)])
        object.__setattr__(scene.services, "settings", settings_of(urls))
        for _ in range(points):
            await back_up(scene)
        scene.counted()
        assert f"{disks + 1} disks" in await page(scene) or disks == 0
        await asked(scene, "metrics")
        return scene.counted()["page"]

    few = await reads(0, 1)
    assert few == {"StatusRows.all": 2, "IndexRows.of_jobs": 2, "Plans.brief": 1}
    assert await reads(3, 6) == few


async def test_the_page_writes_nothing() -> None:
    scene = CountedScene()
    await back_up(scene)
    await scene.tick()
    before = json.dumps([scene.world.status, str(scene.world.records), str(scene.world.messages)])
    scene.counted()
    for path in PATHS:
        await asked(scene, path)
    await page(scene, disk=scene.disk.url)
    assert json.dumps([scene.world.status, str(scene.world.records), str(scene.world.messages)]) == before
    written = {
        call for call in scene.counted()["page"] if call.rpartition(".")[2] in {"put", "replace", "drop", "send"}
    }
    assert written == set()


async def test_rows_of_another_release_or_hand_are_no_reason_to_show_nothing() -> None:
    scene = await backed_up()
    row = scene.world.status[key(scene)]
    scene.world.status["a|b|newer.vhd"] = {**row, "schema": SCHEMA + 1}
    scene.world.status["a|b|edited.vhd"] = {**row, "report": "{"}
    scene.world.status[key(scene)] = {**row, "history": "[]"}
    assert "not on record here yet" in await page(scene)
    del row["history"]
    scene.world.status[key(scene)] = row
    assert "not on record here yet" in await page(scene)


async def test_the_page_after_points_that_nobody_can_read_can_be_reached() -> None:
    scene = await backed_up()
    for _ in range(30):
        await back_up(scene)
    between, newest = scene.services.records.points_between, scene.world.points_of(scene.disk)[-1].time

    async def readable(disk: Disk, first: str, last: str) -> list[RecoveryPoint]:
        return [] if last == newest else list(await between(disk, first, last))

    scene.services.records.points_between = readable
    first = await data(scene, disk=scene.disk.url)
    assert (first["points"], first["points_total"]) == ([], 31)
    assert first["points_before"]
    shown = await page(scene, disk=scene.disk.url)
    assert "Earlier ones" in shown
    assert "Their rows can't be read" in shown
    rest = await data(scene, disk=scene.disk.url, before=first["points_before"])
    assert len(rest["points"]) == 6


async def test_the_age_on_the_page_goes_by_the_clock() -> None:
    scene = await backed_up()
    first = await data(scene)
    await scene.pass_time(timedelta(minutes=5))
    second = await data(scene)
    assert second["disks"][0]["age_seconds"] - first["disks"][0]["age_seconds"] == pytest.approx(300, abs=1)

"""What is said of how far a backup or a job is: no more than its row knows."""

from dataclasses import replace
from datetime import timedelta

from shared.model.disk import Disk
from shared.model.inspection import Inspection
from shared.model.job import JobKind, Stage
from shared.model.progress import of_job, of_run
from shared.model.run import OpenRun
from tests.logic.page_samples import GIB, HOUR, NOW
from tests.logic.retention_points import printed

MINUTE = timedelta(minutes=1)

RUN = OpenRun(
    snapshot=printed(NOW - 10 * HOUR),
    size=128 * GIB,
    started=NOW - 10 * HOUR,
    state=Stage.COPYING,
    position=43 * GIB,
    progressed=NOW - MINUTE,
    checked=NOW,
)
DRILL = Inspection(
    inspection="6f3c1d2e",
    task=JobKind.DRILL,
    disk=Disk.parse("https://production.blob.core.windows.net/vhds/web.vhd"),
    state=Stage.COPYING,
    requested=NOW - 4 * HOUR,
    phase_began=NOW - 4 * HOUR,
    bytes_done=39 * GIB,
    bytes_total=100 * GIB,
    progressed=NOW - MINUTE,
    checked=NOW,
)


def test_a_job_under_way_says_its_rate_and_the_time_left() -> None:
    assert of_job(DRILL).shown == "copying 39 %, 2.8 MiB/s, 6.3 h left"


def test_a_stalled_job_promises_no_time() -> None:
    found = of_job(replace(DRILL, progressed=NOW - 3 * HOUR))
    assert (found.rate, found.left) == (None, None)
    assert found.shown == "copying 39 %, no progress for 3 h"


def test_a_run_says_how_far_through_the_disk_it_is_and_promises_no_time() -> None:
    """What it walks through without a change takes no time, and its snapshot may have waited for hours."""
    assert of_run(RUN).shown == "copying 33 % of the disk"
    assert of_run(replace(RUN, progressed=NOW - HOUR)).shown == "copying 33 % of the disk, no progress for 60 min"


def test_a_run_that_is_being_sealed_says_how_much_was_compared() -> None:
    sealing = replace(RUN, state=Stage.SEALING, position=RUN.size)
    assert of_run(sealing).shown == "sealing 0 %"
    assert of_run(replace(sealing, windows_compared=4)).shown == "sealing 25 %"


def test_a_run_that_waits_for_its_plan_has_no_part_done() -> None:
    assert of_run(replace(RUN, state=Stage.REQUESTED, position=0)).shown == "requested"

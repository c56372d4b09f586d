"""The progress of a copy, by the state of the blob it is made to."""

from dataclasses import replace

import pytest

from shared.model.blob import BlobState, CopyStage, copy_progress
from shared.model.names import COPY_METADATA

SIZE, MARK = 4096, "6f3c1d2e/1"
PENDING = BlobState(SIZE, "e", metadata={COPY_METADATA: MARK}, copy_status="pending", bytes_done=512, bytes_total=SIZE)
"""The blob while the copy is pending."""

WORDS = '500 InternalServerError "Copy failed."'


@pytest.mark.parametrize(
    ("found", "stage"),
    [
        pytest.param(None, CopyStage.NOT_STARTED, id="no blob"),
        pytest.param(replace(PENDING, metadata={}), CopyStage.NOT_STARTED, id="copied to by others"),
        pytest.param(
            replace(PENDING, metadata={COPY_METADATA: "6f3c1d2e/0"}), CopyStage.NOT_STARTED, id="an earlier attempt"
        ),
        pytest.param(PENDING, CopyStage.UNDER_WAY, id="pending"),
        pytest.param(replace(PENDING, copy_status="success"), CopyStage.SUCCEEDED, id="success"),
        pytest.param(replace(PENDING, copy_status=""), CopyStage.SUCCEEDED, id="its source is forgotten"),
        pytest.param(replace(PENDING, copy_status="success", size=512), CopyStage.FAILED, id="of another size"),
        pytest.param(replace(PENDING, copy_status="", size=512), CopyStage.FAILED, id="resized by others"),
        pytest.param(replace(PENDING, copy_status="", size=0), CopyStage.FAILED, id="emptied"),
        pytest.param(replace(PENDING, copy_status="failed", size=0), CopyStage.FAILED, id="failed"),
        pytest.param(replace(PENDING, copy_status="aborted", size=0), CopyStage.ABORTED, id="aborted"),
    ],
)
def test_a_copy_is_healthy_while_its_mark_status_and_size_say_so(found: BlobState | None, stage: CopyStage) -> None:
    progress = copy_progress(found, MARK, SIZE)
    assert progress.stage is stage
    assert progress.is_healthy == (stage in {CopyStage.UNDER_WAY, CopyStage.SUCCEEDED})
    assert progress.succeeded == (found if stage is CopyStage.SUCCEEDED else None)


def test_a_copy_tells_its_progress() -> None:
    progress = copy_progress(PENDING, MARK, SIZE)
    assert (progress.bytes_done, progress.bytes_total) == (512, SIZE)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        pytest.param(None, "the blob no longer exists", id="no blob"),
        pytest.param(
            replace(PENDING, copy_status="failed", copy_description=WORDS), WORDS, id="the service has said why"
        ),
        pytest.param(
            replace(PENDING, copy_status="aborted", size=0), "copy status aborted, size 0 bytes", id="it has not"
        ),
        pytest.param(
            replace(PENDING, copy_status="", size=512), "the blob was overwritten, size 512 bytes", id="written over"
        ),
    ],
)
def test_a_failed_copy_says_why(found: BlobState | None, said: str) -> None:
    assert copy_progress(found, MARK, SIZE).failure == said

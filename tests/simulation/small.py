"""What the simulation makes small, so that a disk of a few pages takes several windows, batches and pieces."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from shared.azure.sources import managed_reading
from shared.backup import copy_batch as copying
from shared.backup import copy_ranges, plan_changes, verify
from shared.changes import coalescing, ranges, sampling
from shared.inspection import begin as inspecting
from shared.limits import PAGE
from shared.model import managed_target, retention, retry_policy
from shared.pages import clearing, listing
from shared.restore import prove, through_function, upload

DIFF_BOUNDARY = 18 * PAGE
"""Bytes across which there is no diff when a managed disk grows: what 4 TiB stand for among disks of a few pages."""


def make_small(change: Callable[[Any, str, Any], None]) -> None:
    """Change what a history needs changed, and silence the app's log: by `setattr`, or by something that undoes it."""
    change(managed_reading, "DIFF_BOUNDARY", DIFF_BOUNDARY)
    change(managed_reading, "RANGES_PER_REQUEST", 3)
    change(copying, "SAVE_INTERVAL", timedelta(milliseconds=100))
    change(plan_changes, "FIRST_TURN", timedelta(milliseconds=50))
    change(copy_ranges, "TURN", timedelta(milliseconds=100))
    change(copy_ranges, "TURNS", 3)
    change(verify, "SEAL_WINDOW", 4 * PAGE)
    change(verify, "VERIFY_FOR", timedelta(milliseconds=200))
    change(prove, "PROOF_WINDOW", 16 * PAGE)
    change(through_function, "COPIED_PART", 8 * PAGE)
    change(upload, "COPIED_PART", 4 * PAGE)
    change(upload, "COPIES_FOR", timedelta(milliseconds=200))
    change(managed_target, "MANAGED_DISK_STEP", PAGE)
    change(managed_target, "UPLOAD_BYTES", 2 * PAGE)
    change(retry_policy, "GIVE_UP_AFTER", timedelta(hours=2))
    change(retention, "MIN_AGE", timedelta(minutes=1))
    change(retention, "APPROVED_SHARE", 1)
    change(retention, "GOOD_POINTS", 1)
    change(inspecting, "INSPECTED_PART", 8 * PAGE)
    change(coalescing, "HURRIES_AFTER", 0)
    change(listing, "LISTING_WINDOW", 8 * PAGE)
    change(listing, "SMALLEST_WINDOW", 2 * PAGE)
    for samples in ("SAMPLES", "SAMPLES_OF_A_DISK", "SAMPLES_OF_A_WINDOW"):
        change(sampling, samples, 1)
    change(sampling, "SAMPLE_BYTES", PAGE)
    change(ranges, "MAX_WRITE", 2 * PAGE)
    for module in (ranges, clearing):
        change(module, "MAX_CLEAR", 5 * PAGE)
    change(clearing, "SMALLEST_CLEAR", PAGE)
    change(logging.getLogger("tidemark"), "disabled", True)

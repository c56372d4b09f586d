"""Sampling: samples are within the ranges seen, and are the same on every retry."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.disks.vhd import MIB
from shared.changes.ranges import Change
from shared.changes.sampling import (
    FINE_STRETCH,
    SAMPLE_BYTES,
    SAMPLES,
    SAMPLES_OF_A_DISK,
    SAMPLES_OF_A_WINDOW,
    STRETCH,
    Sampler,
    chance_to_find,
    samples_of_window,
)
from tests.logic.change_lists import GIB, PAGE, TIB, change_lists

README_SAYS = [(1.0, 1), (0.1, 6), (0.01, 60)]


def sampled(seed: str, ranges: list[Change], most: int | None = None) -> list[Change]:
    sampler = Sampler(seed, most)
    for change in ranges:
        sampler.see(change)
    return sampler.samples()


def within(sample: Change, ranges: list[Change]) -> list[Change]:
    return [change for change in ranges if change.start <= sample.start and sample.end <= change.end]


@given(change_lists(), st.text(max_size=5))
def test_each_sample_is_a_part_of_a_stretch_of_its_own(ranges: list[Change], seed: str) -> None:
    samples = sampled(seed, ranges)
    stretches = sum(-(-change.length // STRETCH) for change in ranges)
    assert all(len(within(sample, ranges)) == 1 for sample in samples)
    assert len(samples) == len(set(samples)) == min(SAMPLES, stretches)


@given(change_lists(), st.text(max_size=5))
def test_a_sample_is_as_long_as_its_range_or_as_samples_may_be(ranges: list[Change], seed: str) -> None:
    for sample in sampled(seed, ranges):
        (change,) = within(sample, ranges)
        last = change.length % STRETCH or STRETCH
        assert min(last, SAMPLE_BYTES) <= sample.length <= SAMPLE_BYTES
        assert sample.length == SAMPLE_BYTES or sample.end == change.end
        assert not sample.clear


@given(change_lists(), st.text(max_size=5))
def test_samples_are_on_page_boundaries_and_in_order(ranges: list[Change], seed: str) -> None:
    samples = sampled(seed, ranges)
    assert not [sample for sample in samples if sample.start % PAGE or sample.end % PAGE]
    assert all(before.end <= after.start for before, after in pairwise(samples))


@given(change_lists(), st.text(max_size=5))
def test_a_retry_reads_the_same_samples(ranges: list[Change], seed: str) -> None:
    assert sampled(seed, ranges) == sampled(seed, ranges)


def test_another_part_of_the_proof_reads_other_samples() -> None:
    disk = [Change(0, TIB, clear=False)]
    assert len({sampled(f"restore/{part}", disk)[0] for part in range(8)}) == 8


def test_every_range_of_a_fragmented_disk_may_be_chosen_and_none_is_preferred() -> None:
    ranges = [Change(start * PAGE, (start + 1) * PAGE, clear=False) for start in range(0, 80, 2)]
    chosen = [sample for seed in range(1000) for sample in sampled(str(seed), ranges)]
    times = [chosen.count(change) for change in ranges]
    # Each is chosen 200 times on average; the standard deviation is 12.7.
    assert all(120 < count < 280 for count in times), times


def test_every_part_of_a_range_may_be_sampled_including_its_ends() -> None:
    change = Change(GIB, GIB + SAMPLE_BYTES + 3 * PAGE, clear=False)
    starts = {sampled(str(seed), [change])[0].start for seed in range(200)}
    assert starts == {GIB, GIB + PAGE, GIB + 2 * PAGE, GIB + 3 * PAGE}


def test_an_empty_disk_has_no_samples() -> None:
    assert sampled("restore/0", []) == []


def test_a_disk_that_is_full_is_sampled_as_often_as_one_of_many_ranges() -> None:
    assert len(sampled("restore/0", [Change(0, 8 * GIB, clear=False)])) == SAMPLES


@given(change_lists(), st.text(max_size=5), st.integers(1, 100))
def test_more_samples_are_taken_of_shorter_stretches(ranges: list[Change], seed: str, most: int) -> None:
    samples = sampled(seed, ranges, most)
    stretches = sum(-(-change.length // FINE_STRETCH) for change in ranges)
    assert len(samples) == len(set(samples)) == min(most, stretches)
    assert all(before.end <= after.start for before, after in pairwise(samples))


@pytest.mark.parametrize("windows", [1, 2, 4, 16, 24, 25, 128, 1024])
def test_every_disk_and_every_window_of_it_gets_enough_samples(windows: int) -> None:
    assert samples_of_window(windows) >= SAMPLES_OF_A_WINDOW
    assert samples_of_window(windows) * windows >= SAMPLES_OF_A_DISK
    assert samples_of_window(windows) * 2 * SAMPLE_BYTES * windows <= max(96 * MIB + windows * MIB, windows * 4 * MIB)


@pytest.mark.parametrize(
    ("left_out", "changed", "samples"),
    [
        (1.0, 0.01, 64),
        pytest.param(0.1, 0.05, 128, marks=pytest.mark.nightly),
        pytest.param(0.5, 0.04, 32, marks=pytest.mark.nightly),
    ],
)
def test_what_a_diff_left_out_is_found_with_the_stated_probability(
    left_out: float, changed: float, samples: int
) -> None:
    """What is left out is one piece, somewhere on a full disk of 1 GiB; each trial is a run."""
    rng, trials, disk = random.Random(5), 500, [Change(0, GIB, clear=False)]
    length = int(GIB * left_out * changed) // PAGE * PAGE
    found = 0
    for trial in range(trials):
        start = rng.randrange((GIB - length) // PAGE) * PAGE
        found += any(
            sample.start < start + length and start < sample.end for sample in sampled(f"{trial}", disk, samples)
        )
    stated = chance_to_find(left_out, changed, samples, 1)
    three_deviations = 3 * (stated * (1 - stated) / trials) ** 0.5
    assert found / trials >= stated - three_deviations


@given(*[st.floats(0, 1)] * 2, st.integers(1, 1000), st.integers(1, 60))
def test_more_runs_and_more_samples_find_more(left_out: float, changed: float, samples: int, runs: int) -> None:
    chance = chance_to_find(left_out, changed, samples, runs)
    assert 0 <= chance <= 1
    assert chance_to_find(left_out, changed, samples, runs + 1) >= chance
    assert chance_to_find(left_out, changed, samples + 1, runs) >= chance
    one = chance_to_find(left_out, changed, samples, 1)
    assert chance == pytest.approx(1 - (1 - one) ** runs)


@pytest.mark.parametrize(("left_out", "runs"), README_SAYS)
def test_the_docs_state_the_probability(left_out: float, runs: int) -> None:
    """99%, if 1% of the valid pages change between two runs."""
    assert chance_to_find(left_out, 0.01, SAMPLES_OF_A_DISK, runs) >= 0.99
    assert chance_to_find(left_out, 0.01, SAMPLES_OF_A_DISK, runs - 1) < 0.99

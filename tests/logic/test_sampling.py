"""Sampling: what a proof looks at lies in the ranges that went by, and is the same on every retry."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.ranges import Change
from shared.sampling import SAMPLE_BYTES, SAMPLES, STRETCH, Sampler
from tests.logic.change_lists import GIB, PAGE, TIB, change_lists

a_few = settings(max_examples=80, deadline=None)


def sampled(seed: str, ranges: list[Change]) -> list[Change]:
    sampler = Sampler(seed)
    for change in ranges:
        sampler.see(change)
    return sampler.samples()


def within(sample: Change, ranges: list[Change]) -> list[Change]:
    return [change for change in ranges if change.start <= sample.start and sample.end <= change.end]


@a_few
@given(change_lists(), st.text(max_size=5))
def test_each_sample_is_a_part_of_a_stretch_of_its_own(ranges: list[Change], seed: str) -> None:
    samples = sampled(seed, ranges)
    stretches = sum(-(-change.length // STRETCH) for change in ranges)
    assert all(len(within(sample, ranges)) == 1 for sample in samples)
    assert len(samples) == len(set(samples)) == min(SAMPLES, stretches)


@a_few
@given(change_lists(), st.text(max_size=5))
def test_a_sample_is_as_long_as_its_range_or_as_samples_may_be(ranges: list[Change], seed: str) -> None:
    for sample in sampled(seed, ranges):
        (change,) = within(sample, ranges)
        last = change.length % STRETCH or STRETCH
        assert min(last, SAMPLE_BYTES) <= sample.length <= SAMPLE_BYTES
        assert sample.length == SAMPLE_BYTES or sample.end == change.end
        assert not sample.clear


@a_few
@given(change_lists(), st.text(max_size=5))
def test_samples_are_on_page_boundaries_and_in_order(ranges: list[Change], seed: str) -> None:
    samples = sampled(seed, ranges)
    assert not [sample for sample in samples if sample.start % PAGE or sample.end % PAGE]
    assert all(before.end <= after.start for before, after in pairwise(samples))


@a_few
@given(change_lists(), st.text(max_size=5))
def test_a_retry_looks_at_the_same_samples(ranges: list[Change], seed: str) -> None:
    assert sampled(seed, ranges) == sampled(seed, ranges)


def test_another_part_of_the_proof_looks_at_other_samples() -> None:
    disk = [Change(0, TIB, clear=False)]
    assert len({sampled(f"restore/{part}", disk)[0] for part in range(20)}) == 20


def test_every_range_of_a_fragmented_disk_may_be_chosen_and_none_is_preferred() -> None:
    ranges = [Change(start * PAGE, (start + 1) * PAGE, clear=False) for start in range(0, 80, 2)]
    chosen = [sample for seed in range(1000) for sample in sampled(str(seed), ranges)]
    times = [chosen.count(change) for change in ranges]
    # Each is chosen 200 times in the mean; the standard deviation is 12.7.
    assert all(120 < count < 280 for count in times), times


def test_every_part_of_a_range_may_be_looked_at_its_ends_included() -> None:
    change = Change(GIB, GIB + SAMPLE_BYTES + 3 * PAGE, clear=False)
    starts = {sampled(str(seed), [change])[0].start for seed in range(200)}
    assert starts == {GIB, GIB + PAGE, GIB + 2 * PAGE, GIB + 3 * PAGE}


def test_an_empty_disk_has_no_samples() -> None:
    assert sampled("restore/0", []) == []


def test_a_disk_that_is_full_is_sampled_as_often_as_one_of_many_ranges() -> None:
    assert len(sampled("restore/0", [Change(0, 8 * GIB, clear=False)])) == SAMPLES

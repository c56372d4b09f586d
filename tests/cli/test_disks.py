"""A disk is named by a part of its URL, and shown by as little of it as tells it from the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemark.disks import matches, named
from tidemark.outcome import Exit, Problem
from tidemark.words import short_names

OS = "https://account.blob.core.windows.net/vhds/os.vhd"
OTHER_OS = "https://account.blob.core.windows.net/lab/os.vhd"
DATA = "https://account.blob.core.windows.net/vhds/my%20data.vhd"
DISKS = [OS, OTHER_OS, DATA]


@pytest.mark.parametrize(
    ("said", "meant"),
    [("vhds/os", OS), ("LAB", OTHER_OS), ("my data", DATA), ("my%20data", DATA), ("Data", DATA), (OS, OS)],
)
def test_a_part_that_one_disk_has_names_it(said: str, meant: str) -> None:
    assert named(said, DISKS).name == meant


def test_a_part_that_several_disks_have_is_refused_and_lists_them() -> None:
    with pytest.raises(Problem) as refused:
        named("os.vhd", DISKS)
    assert refused.value.code is Exit.USAGE
    assert OS in str(refused.value)
    assert OTHER_OS in str(refused.value)
    assert DATA not in str(refused.value)


@pytest.mark.parametrize("said", ["swap", "", "  "])
def test_a_part_that_no_disk_has_is_refused(said: str) -> None:
    with pytest.raises(Problem, match="in the name of no disk on record"):
        named(said, DISKS)


def test_a_url_names_a_disk_that_is_not_on_record_and_never_shows_a_signature() -> None:
    new = "https://account.blob.core.windows.net/vhds/new.vhd"
    assert named(new, DISKS).name == new
    with pytest.raises(Problem) as refused:
        named(f"{new}?sig=c2VjcmV0c2VjcmV0", DISKS)
    assert "c2VjcmV0" not in str(refused.value)


def test_a_disk_is_shown_by_as_much_of_its_url_as_no_other_has() -> None:
    assert short_names(DISKS) == {OS: "vhds/os.vhd", OTHER_OS: "lab/os.vhd", DATA: "my data.vhd"}


blobs = st.sampled_from(["vhds/a", "vhds/ab", "vhds/b/c", "vhds/c", "lab/a", "lab/ab", "lab/b/c", "lab/c"])
names = st.lists(st.builds("https://acc.blob.core.windows.net/{}".format, blobs), unique=True)


@given(names)
def test_what_is_shown_of_two_disks_is_never_the_same(urls: list[str]) -> None:
    short = short_names(urls)
    assert len(set(short.values())) == len(urls)


@given(names, st.text(alphabet="abc./vw", max_size=6))
def test_what_names_one_disk_names_that_one(urls: list[str], said: str) -> None:
    found = matches(said, urls)
    assert all(said.casefold() in url for url in found)
    if len(found) == 1:
        assert named(said, urls).name == found[0]

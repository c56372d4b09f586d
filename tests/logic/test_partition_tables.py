"""Partition tables: MBRs and GPTs as real tools make them, damaged ones, and numbers that point nowhere."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.disks.vhd import MIB
from shared.content.partition_tables import (
    MAX_ENTRY_BYTES,
    NO_TABLE,
    SECTOR,
    Partition,
    PartitionTable,
    partition_table,
)
from tests.logic.made_disks import PROTECTIVE, MadeDisk, gpt_copy, gpt_disk, made, mbr, with_bit_flipped

GIB = 1024 * MIB
SECTORS = GIB // SECTOR
HEAD_BYTES = 34 * SECTOR
SECOND_USED = ("primary GPT damaged, backup GPT used",)
DAMAGED = NO_TABLE._replace(doubts=("both copies of the GPT damaged",))


def table_of(disk: MadeDisk) -> PartitionTable:
    return disk.by(partition_table(disk.size))


def table_at(head: bytes, size: int = GIB) -> PartitionTable:
    """Read the table of a disk that is otherwise all zeros."""
    return table_of(MadeDisk(size, [(0, head)]))


def one_copy(*spans: tuple[int, int], **header: int | bytes) -> MadeDisk:
    """Make a disk with only the first copy of a GPT, whose header has these fields."""
    copy = gpt_copy(spans, other=SECTORS - 1, **header)  # type: ignore[arg-type]
    return MadeDisk(GIB, [(0, mbr([PROTECTIVE])), *copy])


def partitions(*spans: tuple[int, int]) -> tuple[Partition, ...]:
    return tuple(
        Partition(first * SECTOR, (last + 1) * SECTOR, number=place) for place, (first, last) in enumerate(spans, 1)
    )


def within(sectors: int, *spans: tuple[int, int]) -> tuple[Partition, ...]:
    """Give those of the partitions that lie on a disk of so many sectors."""
    return tuple(found for found in partitions(*spans) if 0 < found.start < found.end <= sectors * SECTOR)


def test_a_gpt_made_by_a_real_tool_is_read_in_its_order() -> None:
    spans = ((227_328, 2_095_103), (2048, 10_239), (10_240, 227_327))
    assert table_at(made("GPT", HEAD_BYTES)) == PartitionTable("GPT", partitions(*spans))


def test_an_mbr_made_by_a_real_tool_is_read() -> None:
    spans = ((2048, 616_447), (616_448, 1_026_047), (1_026_048, 2_097_151))
    assert table_at(made("MBR", SECTOR)) == PartitionTable("MBR", partitions(*spans))


@given(st.integers(0, 92 * 8 - 1), st.integers(0, 128 * 128 * 8 - 1))
def test_a_flipped_bit_of_a_gpt_is_found(in_header: int, in_entries: int) -> None:
    head = made("GPT", HEAD_BYTES)
    assert table_at(with_bit_flipped(head, SECTOR * 8 + in_header)) == DAMAGED
    assert table_at(with_bit_flipped(head, 2 * SECTOR * 8 + in_entries)) == DAMAGED


@given(st.integers(0, 92 * 8 - 1), st.integers(0, 128 * 128 * 8 - 1))
def test_whatever_is_damaged_of_the_first_gpt_the_second_is_used(in_header: int, in_entries: int) -> None:
    spans = [(2048, 4095), (8192, 16383)]
    for bit in (SECTOR * 8 + in_header, 2 * SECTOR * 8 + in_entries):
        disk = gpt_disk(spans, SECTORS)
        disk.parts.append((0, with_bit_flipped(disk.read(0, HEAD_BYTES), bit)))
        assert table_of(disk) == PartitionTable("GPT", partitions(*spans), SECOND_USED)


def test_a_second_gpt_alone_tells_of_a_disk_whose_beginning_is_lost() -> None:
    disk = gpt_disk([(2048, 4095)], SECTORS)
    disk.parts.append((0, bytes(MIB)))
    doubts = ("no protective MBR for the GPT", *SECOND_USED)
    assert table_of(disk) == PartitionTable("GPT", partitions((2048, 4095)), doubts)


def test_of_a_disk_that_has_grown_the_second_gpt_is_where_the_first_one_says() -> None:
    disk = gpt_disk([(2048, 4095)], SECTORS)
    disk.size *= 2
    disk.parts.append((2 * SECTOR, b"damaged"))
    assert table_of(disk) == PartitionTable("GPT", partitions((2048, 4095)), SECOND_USED)


def test_a_gpt_with_two_bad_copies_is_not_read_as_its_protective_mbr() -> None:
    disk = gpt_disk([(2048, 4095)], SECTORS)
    disk.parts += [(2 * SECTOR, b"damaged"), (GIB - SECTOR, b"damaged")]
    assert table_of(disk) == DAMAGED
    assert table_at(made("GPT", HEAD_BYTES)[:SECTOR]) == DAMAGED


def test_a_copy_that_is_not_where_it_says_is_ignored() -> None:
    first = gpt_copy([(2048, 4095)], here=7, other=SECTORS - 1)
    moved = [(SECTOR if at == 7 * SECTOR else at, content) for at, content in first]
    assert table_of(MadeDisk(GIB, [(0, mbr([PROTECTIVE])), *moved])) == DAMAGED


def test_a_gpt_without_a_protective_mbr_is_doubtful() -> None:
    older = made("GPT", HEAD_BYTES)[SECTOR:]
    table = table_at(bytes(SECTOR) + older)
    assert (len(table.partitions), table.doubts) == (3, ("no protective MBR for the GPT",))
    newer = mbr([(0, 0x83, 2048, 2048)])
    assert table_at(newer + older) == PartitionTable("MBR", (Partition(MIB, 2 * MIB, number=1),))


@pytest.mark.parametrize("at", [2, 34, 100, 2048, 1_000_000])
def test_entries_are_read_wherever_the_header_says(at: int) -> None:
    span = (1_500_000, 1_500_007)
    assert table_of(one_copy(span, at=at)) == PartitionTable("GPT", partitions(span))


def test_more_entries_than_usual_are_read_and_their_checksum_is_verified() -> None:
    spans = [(4096 + 8 * number, 4103 + 8 * number) for number in range(1000)]
    disk = one_copy(*spans, count=1024)
    assert table_of(disk) == PartitionTable("GPT", partitions(*spans))
    disk.parts.append((2 * SECTOR + 900 * 128 + 33, b"?"))
    assert table_of(disk) == DAMAGED


def test_of_too_many_entries_some_are_read_and_the_rest_is_reported() -> None:
    span, count = (1_000_000, 1_000_007), 10_000
    disk = one_copy(span, count=count)
    left_out = (f"{count - MAX_ENTRY_BYTES // 128} of {count} GPT entries",)
    assert table_of(disk) == PartitionTable("GPT", partitions(span), (), left_out)
    assert max(length for _, length in disk.reads) == MAX_ENTRY_BYTES


def test_a_gpt_may_have_long_entries_and_a_long_header_and_no_partitions() -> None:
    spans = [(2048, 4095), (4096, 6143)]
    assert table_of(one_copy(*spans, at=10, count=8, step=256, length=512)).partitions == partitions(*spans)
    assert table_of(one_copy()) == PartitionTable("GPT", ())
    assert table_of(one_copy(*spans, kind=bytes(16))) == PartitionTable("GPT", ())  # entries not in use


@pytest.mark.parametrize(
    "header",
    [
        {"signature": b"EFI part"},
        {"length": 91},
        {"length": 513},
        {"step": 192},
        {"step": 2**30},
        {"at": 1},
        {"at": 2**40},
    ],
)
def test_right_checksums_alone_make_no_gpt(header: dict[str, int | bytes]) -> None:
    assert table_of(one_copy((2048, 4095), **header)) == DAMAGED


@pytest.mark.parametrize("scheme", ["GPT", "MBR"])
def test_a_partition_that_ends_beyond_the_disk_is_left_out_and_reported(scheme: str) -> None:
    sectors = 4096
    disk = gpt_disk([(34, 4095), (34, 4096)], sectors)
    if scheme == "MBR":
        disk = MadeDisk(sectors * SECTOR, [(0, mbr([(0, 7, 34, 4062), (0, 7, 34, 4063)]))])
    expected = PartitionTable(scheme, partitions((34, 4095)), ("1 of 2 partitions outside the disk",))
    assert table_of(disk) == expected
    disk.size += 511
    assert table_of(disk) == expected


def test_partitions_have_the_numbers_of_their_entries_whatever_is_unused_before_them() -> None:
    assert [found.number for found in table_of(one_copy((2048, 4095), (0, 0), (4096, 8191))).partitions] == [1, 3]
    table = table_at(mbr([(0, 0, 0, 0), (0, 0x83, 2048, 2048), (0, 0, 0, 0), (0, 0x83, 4096, 2048)]))
    assert [found.number for found in table.partitions] == [2, 4]


def test_an_mbr_has_primary_partitions_and_its_extended_one_is_skipped() -> None:
    empty, boot, at_the_table = (0, 0, 2048, 2048), (0x80, 0x07, 2048, 2048), (0, 0x83, 0, 2048)
    backwards, extended = (0, 0x83, 4096, 0), (0, 0x05, 8192, 2048)
    table = table_at(mbr([boot, empty, backwards, extended], code=b"\xeb\x63\x90" * 100))
    assert table.partitions == (
        Partition(MIB, 2 * MIB, number=1),
        Partition(4 * MIB, 5 * MIB, is_extended=True, number=4),
    )
    assert table.doubts == ("1 of 3 partitions outside the disk",)
    assert table.left_out == ("the logical partitions in the extended partition",)
    nowhere = table_at(mbr([empty, backwards, at_the_table]))
    assert nowhere == NO_TABLE._replace(doubts=("MBR partitions outside the disk",))
    assert table_at(mbr([boot])[:510] + b"\0\0") == NO_TABLE


numbers = st.one_of(st.integers(0, 300), st.integers(0, 2**32 - 1))
sectors = st.one_of(st.integers(0, 5000), st.integers(0, 2**64 - 1))


@given(
    spans=st.lists(st.tuples(sectors, sectors), max_size=8),
    at=sectors.filter(lambda at: at < 2**62),
    count=numbers,
    step=st.one_of(st.sampled_from([0, 128, 256, 2**31]), numbers),
    length=st.one_of(st.sampled_from([92, 512]), numbers),
)
def test_a_gpt_of_right_checksums_and_wrong_numbers_names_no_partition_off_the_disk(
    spans: Sequence[tuple[int, int]], at: int, count: int, step: int, length: int
) -> None:
    copy = gpt_copy(spans, other=4095, at=at, count=count, step=step, length=length)
    disk = MadeDisk(4096 * SECTOR, [(0, mbr([PROTECTIVE])), *copy])
    table = table_of(disk)
    assert all(0 < found.start < found.end <= disk.size for found in table.partitions)
    assert sum(length for _, length in disk.reads) <= 8 * SECTOR + 3 * MAX_ENTRY_BYTES


@given(st.lists(st.tuples(sectors, sectors), max_size=100))
def test_every_partition_of_a_gpt_that_lies_on_the_disk_is_read(spans: Sequence[tuple[int, int]]) -> None:
    on_disk = within(4096, *spans)
    table = table_of(gpt_disk(spans, 4096))
    assert (table.scheme, table.partitions) == ("GPT", on_disk)
    assert bool(table.doubts) == (len(on_disk) < len(spans))


@given(st.lists(st.tuples(st.sampled_from([0, 0x80]), st.just(0x83), numbers, numbers), max_size=4))
def test_every_partition_of_an_mbr_that_lies_on_the_disk_is_read(entries: list[tuple[int, int, int, int]]) -> None:
    spans = [(start, start + length - 1) for _, _, start, length in entries]
    assert table_at(mbr(entries), 4096 * SECTOR).partitions == within(4096, *spans)

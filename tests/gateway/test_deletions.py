"""What soft delete would keep: the pages of what is deleted, or written over whole; not those cleared or cut off."""

from infra.local.gateway import Gateway
from tests.gateway.page_blobs import PAGE, NewBlob, PageBlob


def kept_of(gateway: Gateway, disk: PageBlob) -> list[tuple[str, int]]:
    return [(found.operation, found.bytes) for found in gateway.deletions.kept if found.path == disk.path]


async def test_what_is_deleted_or_written_over_whole_is_counted_with_its_pages(
    gateway: Gateway, new_disk: NewBlob
) -> None:
    disk = await new_disk(64)
    await disk.write(0, 7)
    await disk.write(32, 35)
    taken = await disk.snapshot()
    await disk.clear(0, 7)
    await disk.at(taken).delete_blob()
    await disk.create(64)
    await disk.write(1, 1)
    await disk.client.delete_blob()
    assert kept_of(gateway, disk) == [("Delete Blob", 12 * PAGE), ("Put Blob", 4 * PAGE), ("Delete Blob", PAGE)]


async def test_what_is_cut_off_is_not_kept(gateway: Gateway, new_disk: NewBlob) -> None:
    disk = await new_disk(64)
    await disk.write(0, 7)
    await disk.resize(0)
    await disk.client.delete_blob()
    assert kept_of(gateway, disk) == [("Delete Blob", 0)]

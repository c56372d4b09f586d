"""Names make the round trip through the SDK and the service, or `shared.model.blob_names` refuses them: on Azurite."""

import pytest
from azure.core.exceptions import HttpResponseError

from shared.model.blob_names import blob_name_problem
from tests.conformance.on_azurite import AzuriteCloud

KEPT = [
    "disk.vhd",
    " disk",
    "disk ",
    "/disk",
    "//disk",
    "vm//disk",
    "..disk",
    "vm...1",
    "vm/..disk",
    "%2e%2e/disk",
    "disk%2F",
    "disk%",
    "disk%FF",
    "disk?x#y",
    "disk;x=y&z+1",
    "disk*",
    "http://x/y",
    '<"disk">',
    "[disk]{1}^`|~@,'",
    "ü",
    "u\N{COMBINING DIAERESIS}",
    "\N{CJK UNIFIED IDEOGRAPH-4E2D}" * 1024,
    "\N{GRINNING FACE}" * 512,
    "x" * 1024,
    "/".join("a" * 254),
]
CHANGED = ["./disk", "../disk", "vm/./disk", "vm/../disk", "vm/.", "vm/..", "vm\\disk", "\\disk"]


@pytest.mark.parametrize("name", KEPT, ids=lambda name: ascii(name[:20]))
async def test_a_name_that_a_disk_can_have_comes_back_as_it_was_sent(on_azurite: AzuriteCloud, name: str) -> None:
    assert blob_name_problem("vhds", name) == ""
    disk = on_azurite.disks.blob(name)
    await on_azurite.make(disk, 1)
    await on_azurite.write(disk, 0, 7)
    assert await on_azurite.names(disk.parent) == [name]
    assert (await on_azurite.target(disk)).size == 512
    snapshot = await on_azurite.snapshot(disk)
    await on_azurite.write(disk, 0, 8)
    assert await on_azurite.content(disk, snapshot) == [7]


@pytest.mark.parametrize("name", CHANGED)
async def test_a_name_that_comes_back_changed_or_leads_elsewhere_is_not_allowed_for_a_disk(
    on_azurite: AzuriteCloud, name: str
) -> None:
    assert blob_name_problem("vhds", name)
    try:
        await on_azurite.make(on_azurite.disks.blob(name), 1)
    except HttpResponseError:
        return  # signed for one path, and sent to another
    assert await on_azurite.names(on_azurite.disks) != [name]

"""Where a restore goes, as it is typed."""

import pytest

from shared.model.disk import Disk, ManagedDisk
from tidemark.outcome import Problem
from tidemark.restore_target import made_as, target_of

GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/machines/providers/Microsoft.Compute/disks"
MANAGED = Disk.parse(f"{GROUP}/data#22222222-2222-2222-2222-222222222222")
BLOB = Disk.parse("https://disks.blob.core.windows.net/vhds/os.vhd")
TIME = "2026-11-30T05:23:51.8570000Z"


@pytest.mark.parametrize(
    ("disk", "to", "target"),
    [
        (BLOB, "", "https://disks.blob.core.windows.net/vhds/os-restored-20261130T052351Z.vhd"),
        (BLOB, "new.vhd", "https://disks.blob.core.windows.net/vhds/new.vhd"),
        (BLOB, "https://other.blob.core.windows.net/vhds/c.vhd", "https://other.blob.core.windows.net/vhds/c.vhd"),
        (BLOB, f"{GROUP}/new", f"{GROUP}/new"),
        (MANAGED, "new", f"{GROUP}/new"),
        (MANAGED, f"{GROUP.replace('machines', 'others')}/New", f"{GROUP.replace('machines', 'others')}/new"),
        (MANAGED, "https://other.blob.core.windows.net/vhds/c.vhd", "https://other.blob.core.windows.net/vhds/c.vhd"),
    ],
)
def test_a_name_stands_for_a_disk_of_the_same_kind_beside_it_and_the_whole_for_any(
    disk: Disk, to: str, target: str
) -> None:
    assert target_of(disk, to, in_place=False, point=TIME) == Disk.parse(target)


@pytest.mark.parametrize(
    ("to", "in_place", "said"),
    [
        ("", False, "name the new disk, --to NAME"),
        ("", True, "can't be written over"),
        (f"{GROUP}/a*", False, "without #UNIQUEID or"),
        (MANAGED.name, False, "without #UNIQUEID or"),
        ("a/b", False, "is not the"),
        (f"{GROUP.replace('disks', 'snapshots')}/a", False, "is not the ID of a managed disk"),
    ],
)
def test_of_a_managed_disk_one_new_disk_is_to_be_named(to: str, *, in_place: bool, said: str) -> None:
    with pytest.raises(Problem, match=said):
        target_of(MANAGED, to, in_place=in_place, point=TIME)


def test_what_a_managed_disk_is_made_as_is_typed_by_name() -> None:
    new = target_of(MANAGED, "new", in_place=False, point=TIME)
    assert isinstance(new, ManagedDisk)
    assert made_as(new, ["sku=Premium_LRS", "zone=1"]) == {"sku": "Premium_LRS", "zone": "1"}
    assert made_as(new, []) is None
    with pytest.raises(Problem, match="NAME=VALUE"):
        made_as(new, ["sku"])
    with pytest.raises(Problem, match="the target is a page blob"):
        made_as(BLOB, ["sku=x"])

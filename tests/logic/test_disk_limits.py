"""Limits: a disk that does not fit the service is refused before anything is done with it."""

import pytest
from azure.storage.blob import ContentSettings
from hypothesis import given
from hypothesis import strategies as st

from shared.limits import MAX_METADATA, MAX_SOURCE_URL
from shared.model.addresses import BlobAddress
from shared.model.blob_names import blob_name_problem
from shared.model.catalogue import point_metadata
from shared.model.disk import PageBlobDisk
from shared.model.fitness import backup_problem, metadata_problem, sendable
from shared.model.messages import RunMessage
from shared.model.names import BACKUP_METADATA, DISK_METADATA, TAKEN_METADATA
from shared.model.run import Kind
from shared.settings import Settings
from tests.logic.conftest import BACKUPS, VHDS, Load
from tests.simulation.services import settings_of

TIME = "2026-11-22T12:34:56.1234567Z"
HAN = "\N{CJK UNIFIED IDEOGRAPH-4E2D}"
NAMES = st.builds(
    lambda part, times: (part * times)[:1024],
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
    st.integers(1, 1024),
).filter(lambda name: not blob_name_problem("vhds", name))


def why_unfit(found: BlobAddress, settings_: Settings) -> str:
    return backup_problem(PageBlobDisk(found), settings_.container, settings_.mode_of(PageBlobDisk(found)))


def disk(name: str) -> BlobAddress:
    return BlobAddress("https://disks.blob.core.windows.net", "disks", "vhds", name)


@pytest.mark.parametrize("name", ["os.vhd", "x" * 900, HAN * 200, "vm 1/ös.vhd"])
def test_a_disk_whose_backups_fit_the_service_can_be_backed_up(load: Load, name: str) -> None:
    assert why_unfit(disk(name), load()) == ""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        pytest.param("x" * 1020, "its backup blob, disks/vhds/xxx", id="a backup blob with too long a name"),
        pytest.param("a/" * 253 + "a", "more than 254 path segments", id="a backup blob with too many segments"),
        pytest.param(
            HAN * 1000,
            "the URL of its backup is too long to copy from: 9058 characters",
            id="a name in a script of three bytes",
        ),
        pytest.param("vm/../os.vhd", "it has a dot at the end", id="another name on the way"),
        pytest.param(
            "os\n.vhd",
            "it has a character in its name that Azure does not allow, such as a control character",
            id="a name that a list can hold and a URL can't",
        ),
    ],
)
def test_a_disk_whose_backups_do_not_fit_the_service_can_not(load: Load, name: str, why: str) -> None:
    assert why in why_unfit(disk(name), load())


def test_a_full_copy_has_a_longer_name_and_a_signed_source(load: Load) -> None:
    fits, copies = load(), load(SOURCE_DISKS=f'[{{"url": "{VHDS}/*", "mode": "full"}}]')
    for name, why in (("x" * 1000, "longer than 1024 characters"), (HAN * 190, "its URL is too long to copy from")):
        assert why_unfit(disk(name), fits) == ""
        assert why in why_unfit(disk(name), copies)


@given(NAMES)
def test_a_disk_that_can_be_backed_up_has_names_and_metadata_that_the_service_accepts(name: str) -> None:
    settings_ = settings_of(f"{VHDS}/os.vhd")
    if why_unfit(disk(name), settings_):
        return
    backup = settings_.container.blob(PageBlobDisk(disk(name)).backup_name)
    assert BlobAddress.parse(backup.url) == backup
    assert len(f"{backup.url}?snapshot={TIME}") <= MAX_SOURCE_URL
    run = RunMessage(disk=PageBlobDisk(disk(name)), run=TIME)
    source = {DISK_METADATA: disk(name).url, BACKUP_METADATA: BACKUPS, TAKEN_METADATA: TIME}
    for metadata in (source, point_metadata(run, Kind.INCREMENTAL, '"0x8D78388918CCD52"')):
        assert metadata_problem(metadata) == ""


# --- metadata that users set


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"for": "the-user", "MicrosoftAzureCompute_VMName": "vm 1"},
        {"a": "x" * (MAX_METADATA - 1)},
        {"empty": ""},
    ],
)
def test_metadata_that_the_sdk_sends_can_be_kept(metadata: dict[str, str]) -> None:
    assert metadata_problem(metadata) == ""


def test_what_can_not_be_sent_is_left_out_and_the_rest_is_kept() -> None:
    settings_ = ContentSettings(
        content_type="text/x; a", content_disposition="J\udcfcrgen", content_md5=bytearray(b"\xff")
    )
    assert vars(ContentSettings(**sendable(vars(settings_)))) == vars(
        ContentSettings(content_type="text/x; a", content_md5=bytearray(b"\xff"))
    )


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"owner": "Jürgen"}, "owner is not plain ASCII"),
        ({"owner": "J\udcfcrgen"}, "owner is not plain ASCII"),
        ({"größe": "x"}, "is not plain ASCII"),
        ({"owner": "x\r\nx-ms-lease-id: y"}, "owner is not plain ASCII"),
        ({"a": "x" * MAX_METADATA}, "Azure allows 8192"),
    ],
)
def test_metadata_that_the_sdk_can_not_send_is_reported(metadata: dict[str, str], why: str) -> None:
    assert why in metadata_problem(metadata)

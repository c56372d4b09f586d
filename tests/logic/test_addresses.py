"""Addresses: one disk has one spelling, in both styles and any cloud; what may be a secret is never repeated."""

import pytest
from azure.storage.blob import BlobClient
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.addresses import AddressError, BlobAddress, ContainerAddress

SERVICES = {
    "https://disks.blob.core.windows.net": "disks",
    "https://disks.blob.core.chinacloudapi.cn": "disks",
    "https://disks.blob.core.usgovcloudapi.net": "disks",
    "https://disks.blob.local.azurestack.external": "disks",
    "https://disks.privatelink.blob.core.windows.net": "disks",
    "https://disks.z12.blob.storage.azure.net": "disks",
    "https://disks.blob.core.windows.net:8443": "disks",
    "https://blob.blob.core.windows.net": "blob",
    "http://127.0.0.1:10000/devstoreaccount1": "devstoreaccount1",
    "http://localhost/devstoreaccount1": "devstoreaccount1",
    "http://[::1]:10000/devstoreaccount1": "devstoreaccount1",
}
WINDOWS_NET = "https://disks.blob.core.windows.net"
CONTAINERS = st.sampled_from(["vhds", "$root", "$web", "a-b-0"])
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)

a_few = settings(max_examples=100, deadline=None)


# --- what is read


@pytest.mark.parametrize(("service_url", "account"), SERVICES.items())
def test_both_styles_and_any_cloud_name_the_same_parts(service_url: str, account: str) -> None:
    address = BlobAddress.parse(f"{service_url}/vhds/vm 1/os.vhd")
    assert address == BlobAddress(service_url, account, "vhds", "vm 1/os.vhd")
    assert address.parent == ContainerAddress.parse(f"{service_url}/vhds")
    assert address.url == f"{service_url}/vhds/vm%201/os.vhd"
    assert address.parent.url == f"{service_url}/vhds"
    assert address.parent.blob("vm 1/os.vhd") == address


@a_few
@given(st.sampled_from(list(SERVICES)), CONTAINERS, NAMES)
def test_any_blob_is_found_again_by_its_url(service_url: str, container: str, name: str) -> None:
    address = BlobAddress(service_url, SERVICES[service_url], container, name)
    assert BlobAddress.parse(address.url) == address
    assert address.url.isascii()


@a_few
@given(NAMES)
def test_the_url_of_a_url_is_itself(typed: str) -> None:
    assume(not set(typed) & set("?#\t\r\n"))
    url = BlobAddress.parse(f"{WINDOWS_NET}/vhds/{typed}x").url
    assert BlobAddress.parse(url).url == url


@a_few
@given(CONTAINERS, NAMES)
def test_the_sdk_reads_the_url_of_a_blob_as_that_blob(container: str, name: str) -> None:
    assume(name == name.strip("/"))  # the SDK drops them
    with BlobClient.from_blob_url(BlobAddress(WINDOWS_NET, "disks", container, name).url) as client:
        assert (client.account_name, client.container_name, client.blob_name) == ("disks", container, name)


@pytest.mark.parametrize(
    "typed",
    [
        f"{WINDOWS_NET}/vhds/a%20%C3%BC.vhd",
        f"{WINDOWS_NET}/vhds/a%20%c3%bc.vhd",
        f"{WINDOWS_NET}/vhds/a ü.vhd",
        f"{WINDOWS_NET}/vhds/%61 ü%2Evhd",
        f"{WINDOWS_NET}//vhds/a ü.vhd",
        "HTTPS://Disks.Blob.Core.Windows.NET/vhds/a ü.vhd",
        f"{WINDOWS_NET}/vhds/a ü.vhd?",
    ],
)
def test_a_disk_has_one_address_however_it_is_spelt(typed: str) -> None:
    assert BlobAddress.parse(typed) == BlobAddress(WINDOWS_NET, "disks", "vhds", "a ü.vhd")


def test_upper_and_lower_case_are_two_blobs() -> None:
    assert BlobAddress.parse(f"{WINDOWS_NET}/vhds/A.vhd") != BlobAddress.parse(f"{WINDOWS_NET}/vhds/a.vhd")


# --- what is refused


@pytest.mark.parametrize("kind", [BlobAddress, ContainerAddress])
@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "should start with https://"),
        ("disk.vhd", "should start with https://"),
        ("disks.blob.core.windows.net/vhds/a.vhd", "should start with https://"),
        ("ftp://disks.blob.core.windows.net/vhds/a.vhd", "should start with https://"),
        ("https:///vhds/a.vhd", "should start with https://"),
        ("http://[::1/vhds/a.vhd", "not a URL"),
        ("https://disks.blob.core.windows.net:https/vhds/a.vhd", "not a URL"),
        ("https://disks.blob.core.windows.net:70000/vhds/a.vhd", "not a URL"),
        ("http://127.0.0.1:10000", "names no storage account"),
        ("http://127.0.0.1:10000/", "names no storage account"),
        (f"{WINDOWS_NET}", "should be the URL of a"),
        (f"{WINDOWS_NET}/", "should be the URL of a"),
        ("http://127.0.0.1:10000/devstoreaccount1/", "should be the URL of a"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(
    kind: type[BlobAddress | ContainerAddress], url: str, why: str
) -> None:
    with pytest.raises(AddressError, match=why):
        kind.parse(url)


@pytest.mark.parametrize("path", ["vhds", "vhds/"])
def test_a_container_is_no_blob(path: str) -> None:
    with pytest.raises(AddressError, match=r"should be the URL of a blob"):
        BlobAddress.parse(f"{WINDOWS_NET}/{path}")


def test_a_blob_is_no_container() -> None:
    with pytest.raises(AddressError, match=r"should be the URL of a container"):
        ContainerAddress.parse(f"{WINDOWS_NET}/vhds/a.vhd")


@pytest.mark.parametrize("kind", [BlobAddress, ContainerAddress])
def test_a_container_with_a_slash_in_its_name_is_refused(kind: type[BlobAddress | ContainerAddress]) -> None:
    path = "vh%2Fds/a.vhd" if kind is BlobAddress else "vh%2Fds"
    with pytest.raises(AddressError):
        kind.parse(f"{WINDOWS_NET}/{path}")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:10000/kontü/vhds/a.vhd",
        "http://127.0.0.1:10000/kont%C3%BC/vhds/a.vhd",
        "http://127.0.0.1:10000/my account/vhds/a.vhd",
        "https://kontü.blob.core.windows.net/vhds/a.vhd",
    ],
)
def test_an_account_that_can_be_none_is_refused(url: str) -> None:
    with pytest.raises(AddressError):
        BlobAddress.parse(url)


# --- secrets


@pytest.mark.parametrize("kind", [BlobAddress, ContainerAddress])
@pytest.mark.parametrize(
    "query",
    [
        "?sv=2025-11-05&sr=b&sp=r&se=2026-12-01T00%3A00%3A00Z&sig=S3CRET%3D",
        "?snapshot=S3CRET",
        "?S3CRET",
        "#S3CRET",
        "?x@S3CRET",
        "?a?b=S3CRET",
    ],
)
def test_a_url_with_a_sas_or_a_snapshot_is_refused_without_repeating_it(
    kind: type[BlobAddress | ContainerAddress], query: str
) -> None:
    with pytest.raises(AddressError, match="no SAS, no snapshot") as refusal:
        kind.parse(f"{WINDOWS_NET}/vhds/a.vhd{query}")
    assert "S3CRET" not in str(refusal.value)
    assert f"{WINDOWS_NET}/vhds/a.vhd" in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://S3CRET@disks.blob.core.windows.net/vhds/a.vhd",
        "https://disks:S3CRET@disks.blob.core.windows.net/vhds/a.vhd",
        "https://:S3CRET@disks.blob.core.windows.net/vhds/a.vhd",
        "https://disks:S3CRET@x@disks.blob.core.windows.net/vhds/a.vhd?sig=S3CRET",
        "https://disks:S3CRET@disks.blob.core.windows.net:https/vhds/a.vhd",
        "https://S3CRET@disks.blob.core.windows.net:https/vhds/a.vhd",
    ],
)
def test_a_url_with_a_password_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(AddressError) as refusal:
        BlobAddress.parse(url)
    assert "S3CRET" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://disks:S3CRET/x@disks.blob.core.windows.net/vhds/a.vhd", id="with a slash"),
        pytest.param("https://disks:S3CRET?x@disks.blob.core.windows.net/vhds/a.vhd", id="with a question mark"),
        pytest.param("https://disks:S3CRET@disk℀.blob.core.windows.net/vhds/a.vhd", id="and a host that is none"),
    ],
)
def test_a_password_that_is_not_encoded_is_not_repeated_either(url: str) -> None:
    with pytest.raises(AddressError) as refusal:
        BlobAddress.parse(url)
    assert "S3CRET" not in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "DefaultEndpointsProtocol=https;AccountName=disks;AccountKey=S3CRET==;EndpointSuffix=core.windows.net",
        "http&sig=S3CRET%3D",
    ],
)
def test_what_is_no_url_at_all_is_not_repeated(text: str) -> None:
    with pytest.raises(AddressError, match="should start with https://") as refusal:
        BlobAddress.parse(text)
    assert "S3CRET" not in str(refusal.value)


def test_a_refusal_names_the_disk_even_with_an_at_sign_in_its_name() -> None:
    with pytest.raises(AddressError, match="vhds/vm@home"):
        BlobAddress.parse(f"{WINDOWS_NET}/vhds/vm@home.vhd?snapshot=2026-11-22T12:34:56.1234567Z")

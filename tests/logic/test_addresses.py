"""Addresses: a disk has one spelling, in both styles and any cloud; what may be a secret is never repeated."""

from urllib.parse import unquote

import pytest
from azure.storage.blob import BlobClient
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.model.addresses import AddressError, BlobAddress, ContainerAddress, is_url_of
from shared.model.blob_names import blob_name_problem

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
CONTAINERS = st.sampled_from(["vhds", "$web", "a-b-0"])
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).filter(
    lambda name: not blob_name_problem("vhds", name)
)


# --- what is read


@pytest.mark.parametrize(("service_url", "account"), SERVICES.items())
def test_both_styles_and_any_cloud_name_the_same_parts(service_url: str, account: str) -> None:
    address = BlobAddress.parse(f"{service_url}/vhds/vm 1/os.vhd")
    assert address == BlobAddress(service_url, account, "vhds", "vm 1/os.vhd")
    assert address.parent == ContainerAddress.parse(f"{service_url}/vhds")
    assert address.url == f"{service_url}/vhds/vm%201/os.vhd"
    assert address.parent.url == f"{service_url}/vhds"
    assert address.parent.blob("vm 1/os.vhd") == address


@given(st.sampled_from(list(SERVICES)), CONTAINERS, NAMES)
def test_any_blob_is_found_again_by_its_url(service_url: str, container: str, name: str) -> None:
    address = BlobAddress(service_url, SERVICES[service_url], container, name)
    assert BlobAddress.parse(address.url) == address
    assert address.url.isascii()


@given(NAMES)
def test_the_url_of_a_url_is_itself(typed: str) -> None:
    assume(not set(typed) & set("?#") and not blob_name_problem("vhds", f"{unquote(typed)}x"))
    url = BlobAddress.parse(f"{WINDOWS_NET}/vhds/{typed}x").url
    assert BlobAddress.parse(url).url == url


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
def test_a_disk_has_one_address_however_it_is_spelled(typed: str) -> None:
    assert BlobAddress.parse(typed) == BlobAddress(WINDOWS_NET, "disks", "vhds", "a ü.vhd")


ONE_BLOB = [
    "https://disks.blob.core.windows.net/vhds/a.vhd",
    "https://disks.blob.core.windows.net:443/vhds/a.vhd",
    "https://DISKS.BLOB.core.windows.net./vhds/a.vhd",
    "http://disks.blob.core.windows.net/vhds/a.vhd",
    "http://disks.blob.core.windows.net:80/vhds/a%2evhd",
    "http://disks.blob.core.windows.net:443/vhds/%61.vhd",
]


@pytest.mark.parametrize("url", ONE_BLOB)
def test_a_default_port_upper_case_and_plain_http_name_the_same_blob(url: str) -> None:
    disk = BlobAddress(WINDOWS_NET, "disks", "vhds", "a.vhd")
    assert BlobAddress.parse(url) == disk
    assert is_url_of(disk, url)
    assert ContainerAddress.parse(url.rpartition("/")[0]) == disk.parent


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://127.0.0.1/acct/vhds/a.vhd", "http://127.0.0.1:80/acct/vhds/a.vhd"),
        ("http://[::1]:10000/acct/vhds/a.vhd", "http://[0:0:0:0:0:0:0:1]:10000/acct/vhds/a.vhd"),
        ("http://azurite/acct/vhds/a.vhd", "http://AZURITE:80/acct/vhds/a.vhd"),
    ],
)
def test_a_blob_of_an_emulator_has_one_address_too(one: str, other: str) -> None:
    assert BlobAddress.parse(one) == BlobAddress.parse(other)


@pytest.mark.parametrize(
    "url",
    [
        f"{WINDOWS_NET}:8443/vhds/a.vhd",
        "https://disks.blob.core.chinacloudapi.cn/vhds/a.vhd",
        f"{WINDOWS_NET}/vhds/b.vhd",
        f"{WINDOWS_NET}/vhds/a.vhd?sv=1",
        "no URL",
    ],
)
def test_another_url_is_not_that_of_a_blob(url: str) -> None:
    assert not is_url_of(BlobAddress(WINDOWS_NET, "disks", "vhds", "a.vhd"), url)


def test_upper_and_lower_case_are_two_blobs() -> None:
    assert BlobAddress.parse(f"{WINDOWS_NET}/vhds/A.vhd") != BlobAddress.parse(f"{WINDOWS_NET}/vhds/a.vhd")


# --- what is refused


@pytest.mark.parametrize("kind", [BlobAddress, ContainerAddress])
@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "must start with https://"),
        ("disk.vhd", "must start with https://"),
        ("disks.blob.core.windows.net/vhds/a.vhd", "must start with https://"),
        ("ftp://disks.blob.core.windows.net/vhds/a.vhd", "must start with https://"),
        ("https:///vhds/a.vhd", "must start with https://"),
        ("http://[::1/vhds/a.vhd", "is not a valid URL"),
        ("https://disks.blob.core.windows.net:https/vhds/a.vhd", "is not a valid URL"),
        ("https://disks.blob.core.windows.net:70000/vhds/a.vhd", "is not a valid URL"),
        ("http://127.0.0.1:10000", "names no storage account"),
        ("http://127.0.0.1:10000/", "names no storage account"),
        (f"{WINDOWS_NET}", "is not the URL of a"),
        (f"{WINDOWS_NET}/", "is not the URL of a"),
        ("http://127.0.0.1:10000/devstoreaccount1/", "is not the URL of a"),
    ],
)
def test_an_invalid_address_is_refused_with_the_reason(
    kind: type[BlobAddress | ContainerAddress], url: str, why: str
) -> None:
    with pytest.raises(AddressError, match=why):
        kind.parse(url)


@pytest.mark.parametrize("path", ["vhds", "vhds/"])
def test_a_container_is_not_a_blob(path: str) -> None:
    with pytest.raises(AddressError, match=r"is not the URL of a blob"):
        BlobAddress.parse(f"{WINDOWS_NET}/{path}")


def test_a_blob_is_not_a_container() -> None:
    with pytest.raises(AddressError, match=r"is not the URL of a container"):
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
def test_an_impossible_account_name_is_refused(url: str) -> None:
    with pytest.raises(AddressError):
        BlobAddress.parse(url)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        pytest.param(
            "vhds/../backups/disks/vhds/os.vhd",
            "which Azure drops or resolves to another path",
            id="up to another container",
        ),
        pytest.param("%2e%2e/backups/os.vhd", "which Azure drops or resolves to another path", id="percent-encoded"),
        pytest.param(".%2e%2fbackups/os.vhd", "which Azure drops or resolves to another path", id="its slash, too"),
        pytest.param("./os.vhd", "which Azure drops or resolves to another path", id="here"),
        pytest.param("vm/./os.vhd", "which Azure drops or resolves to another path", id="here, in the middle"),
        pytest.param("vm/..", "which Azure drops or resolves to another path", id="at the end"),
        pytest.param("os.vhd.", "which Azure drops or resolves to another path", id="a dot at the end"),
        pytest.param("vm./os.vhd", "which Azure drops or resolves to another path", id="a dot at the end of a segment"),
        pytest.param("vm/os.vhd/", "a slash at the end", id="a slash at the end"),
        pytest.param("vm\\os.vhd", "a backslash", id="a backslash"),
        pytest.param("vm%5Cos.vhd", "a backslash", id="an encoded backslash"),
        pytest.param("os%00.vhd", "a control character", id="a null"),
        pytest.param("os%0A.vhd", "a control character", id="a line break"),
        pytest.param("os%C2%81.vhd", "a control character", id="a C1 control"),
        pytest.param("os%EE%80%80.vhd", "a control character", id="private use"),
        pytest.param("os%EF%BF%BE.vhd", "a control character", id="a noncharacter"),
        pytest.param("os%FF.vhd", "as UTF-8", id="no UTF-8"),
        pytest.param("os%ED%A0%80.vhd", "as UTF-8", id="a surrogate"),
        pytest.param("os\t.vhd", "a tab", id="a tab"),
        pytest.param("x" * 1025, "longer than 1024 characters", id="too long"),
        pytest.param("\N{GRINNING FACE}" * 513, "longer than 1024 characters", id="too long, as the service counts"),
        pytest.param("a/" * 254 + "a", "more than 254 path segments", id="too many segments"),
    ],
)
def test_a_name_that_the_service_would_change_is_refused(name: str, why: str) -> None:
    with pytest.raises(AddressError, match=why):
        BlobAddress.parse(f"{WINDOWS_NET}/vhds/{name}")


@pytest.mark.parametrize(
    "name", ["x" * 1024, "a/" * 253 + "a", "/os.vhd", "vm//os.vhd", "..os.vhd", "a...b", "*.vhd", "%252e%252e/os.vhd"]
)
def test_a_name_that_is_merely_unusual_is_read(name: str) -> None:
    assert BlobAddress.parse(f"{WINDOWS_NET}/vhds/{name}").blob == unquote(name)


@pytest.mark.parametrize(
    "container", ["VHDs", "my_vhds", "$logs", "$blobchangefeed", "ab", "a" * 64, "-a-", "a--b", "a.b", "vhds%FF", "ü-ü"]
)
def test_an_invalid_container_name_is_refused(container: str) -> None:
    with pytest.raises(AddressError):
        ContainerAddress.parse(f"{WINDOWS_NET}/{container}")
    with pytest.raises(AddressError):
        BlobAddress.parse(f"{WINDOWS_NET}/{container}/os.vhd")


def test_a_blob_in_the_root_container_has_no_slash_in_its_name() -> None:
    assert BlobAddress.parse(f"{WINDOWS_NET}/$root/os.vhd").container == "$root"
    with pytest.raises(AddressError, match=r"has a slash in its name, which the \$root container does not allow"):
        BlobAddress.parse(f"{WINDOWS_NET}/$root/vm/os.vhd")


@pytest.mark.parametrize(
    "host",
    [
        "disks.file.core.windows.net",
        "disks.dfs.core.windows.net",
        "disks.queue.core.windows.net:8443",
        "disks.table.core.windows.net",
        "disks.z1.web.core.windows.net",
        "disks.example.com",
        "vhd.example.com:443",
        "disks-secondary.blob.core.windows.net",
        "my.disks.blob.core.windows.net",
        "di.blob.core.windows.net",
    ],
)
def test_a_host_that_is_not_an_accounts_blob_service_is_refused(host: str) -> None:
    with pytest.raises(AddressError, match="names no storage account"):
        BlobAddress.parse(f"https://{host}/account/vhds/os.vhd")


@pytest.mark.parametrize("host", ["azurite", "azurite:10000", "10.0.0.4", "host.docker.internal:10000", "localhost"])
def test_an_emulator_has_its_accounts_in_its_path(host: str) -> None:
    assert BlobAddress.parse(f"http://{host}/account/vhds/os.vhd").account == "account"


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
def test_what_is_not_a_url_is_not_repeated(text: str) -> None:
    with pytest.raises(AddressError, match="must start with https://") as refusal:
        BlobAddress.parse(text)
    assert "S3CRET" not in str(refusal.value)


def test_a_refusal_names_the_disk_even_with_an_at_sign_in_its_name() -> None:
    with pytest.raises(AddressError, match="vhds/vm@home"):
        BlobAddress.parse(f"{WINDOWS_NET}/vhds/vm@home.vhd?snapshot=2026-11-22T12:34:56.1234567Z")

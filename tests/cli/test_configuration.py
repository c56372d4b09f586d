"""Which app's storage it is: what the environment says, with a key or without."""

import pytest

from tidemark.configuration import STORAGE_VARIABLE, Storage, storage
from tidemark.outcome import Exit, Problem

KEY = "c2VjcmV0LWtleQ=="
LOCAL = f"DefaultEndpointsProtocol=http;AccountName=apps;AccountKey={KEY};TableEndpoint=http://127.0.0.1:1/apps;"


@pytest.mark.parametrize(
    ("said", "is_at"),
    [
        ("apps", "core.windows.net"),
        ("AccountName=apps;EndpointSuffix=core.usgovcloudapi.net", "core.usgovcloudapi.net"),
        (
            "DefaultEndpointsProtocol=https; AccountName=apps; EndpointSuffix=core.chinacloudapi.cn",
            "core.chinacloudapi.cn",
        ),
    ],
)
def test_who_is_signed_in_needs_no_key_in_whatever_cloud_it_is(
    said: str, is_at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STORAGE_VARIABLE, said)
    assert storage() == Storage("apps", tables=f"https://apps.table.{is_at}", queues=f"https://apps.queue.{is_at}")


def test_a_local_azure_is_reached_by_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STORAGE_VARIABLE, LOCAL)
    assert storage() == Storage("apps", LOCAL)
    assert KEY not in repr(storage())


@pytest.mark.parametrize(
    "said",
    [
        "AccountName=apps",
        f"AccountKey={KEY}",
        f"AccountName=apps;SharedAccessSignature=sig={KEY}",
        "AccountName=apps;EndpointSuffix=evil/?x=",
        "AccountName=apps;TableEndpoint=http://127.0.0.1:1/apps;QueueEndpoint=http://127.0.0.1:2/apps",
        "AccountName=apps;TableEndpoint=https://127.0.0.1:1/apps",
    ],
)
def test_a_storage_that_can_not_be_reached_is_a_mistake_and_not_shown(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STORAGE_VARIABLE, said)
    with pytest.raises(Problem, match="What to do: ") as refused:
        storage()
    assert refused.value.code is Exit.USAGE
    assert KEY not in str(refused.value)
    assert "evil" not in str(refused.value)

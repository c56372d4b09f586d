"""Which app an owner mark names: an app is the same however its storage is spelled, and no secret is in its name."""

from itertools import combinations

import pytest

from shared.model.fitness import metadata_problem
from shared.model.names import owner_lease_id
from shared.model.owner import App, belongs_to_another, mark_metadata, owner_of
from tests.logic.conftest import KEY, Load
from tests.logic.records import BACKED_UP

ONE_APP = [
    "https://host.table.core.windows.net",
    "https://host.table.core.windows.net/",
    "HTTPS://Host.Table.Core.Windows.Net",
    "http://host.table.core.windows.net",
    "https://host.table.core.windows.net:443",
    "https://host.privatelink.table.core.windows.net",
    "https://host.table.core.windows.net./",
    " https://host.table.core.windows.net ",
]
OTHERS = [
    "https://other.table.core.windows.net",
    "https://host.table.core.chinacloudapi.cn",
    "http://127.0.0.1:10002/host",
    "http://127.0.0.1:10003/host",
    "http://127.0.0.1:10002/other",
    "http://[::1]:10002/host",
]


@pytest.mark.parametrize("url", ONE_APP)
def test_an_app_is_the_same_however_its_storage_is_spelled(url: str) -> None:
    assert App.of(url, "").storage == "host.table.core.windows.net"


def test_apps_with_other_storage_are_others() -> None:
    storages = [App.of(url, "").storage for url in (ONE_APP[0], *OTHERS)]
    assert all(one != other for one, other in combinations(storages, 2))
    assert len({owner_lease_id(storage) for storage in storages}) == len(storages)


def test_an_app_is_its_storage_whichever_way_the_settings_name_it(load: Load) -> None:
    named: list[dict[str, str | None]] = [
        {"AzureWebJobsStorage": f"DefaultEndpointsProtocol=https;AccountName=host;AccountKey={KEY}"},
        {"AzureWebJobsStorage": f"AccountName=host;AccountKey={KEY};EndpointSuffix=core.windows.net"},
        {"AzureWebJobsStorage": None, "AzureWebJobsStorage__accountName": "host"},
        {
            "AzureWebJobsStorage": None,
            "AzureWebJobsStorage__queueServiceUri": "https://host.queue.core.windows.net",
            "AzureWebJobsStorage__tableServiceUri": "https://host.table.core.windows.net/",
        },
    ]
    apps = [load(one | {"WEBSITE_SITE_NAME": "tidemark-prod"}).app for one in named]
    assert {(app.storage, app.name) for app in apps} == {("host.table.core.windows.net", "tidemark-prod")}
    assert KEY not in str(apps)


def test_a_mark_says_whose_the_container_is_and_whose_it_was() -> None:
    first, second = App("one.table.core.windows.net", "one"), App("two.table.core.windows.net")
    assert owner_of(mark_metadata(first)) == first
    assert owner_of(mark_metadata(second, first)) == second
    assert "one.table.core.windows.net" in " ".join(mark_metadata(second, first).values())
    assert owner_of({}) == App("")


def test_a_name_that_metadata_can_not_hold_is_written_without_what_it_can_not() -> None:
    assert metadata_problem(mark_metadata(App.of("https://h\xf6st.table.example", "J\xfcrgens\n app"))) == ""


def test_a_refusal_names_the_owner_the_container_and_what_to_do() -> None:
    assert BACKED_UP.backup_blob
    container = BACKED_UP.backup_blob.parent
    said = belongs_to_another(container, App("one.table.core.windows.net", "one"), App("two.table.core.windows.net"))
    for part in (container.url, "one.table.core.windows.net", "the app one", "two.table", "What to do: ", "takeover"):
        assert part in said

"""The alerts' queries are understood by Azure's own parser, and stand on events that the app logs."""

import re
from typing import Any

import pytest

from shared.events import Event
from tests.docs.documents import blocks
from tests.infra.queries import analyse, analysis, texts
from tests.infra.tree import INFRA, parsed, resources

# In one process: Azure's parser takes seconds to start.
pytestmark = pytest.mark.xdist_group("queries")

EVENT_NAME = re.compile(r'"([a-z]+(?:-[a-z]+)+)"')


def rules() -> dict[str, dict[str, Any]]:
    """Give the rules of the alerts, by the name of their query's file."""
    variables = parsed(INFRA / "modules" / "alerts.bicep")["variables"]
    loaded = [(re.findall(r"alerts/([\w-]+)\.kql", str(rule["query"])), rule) for rule in variables["rules"]["value"]]
    dimensions = {name: found["value"]["name"] for name, found in variables.items() if name.startswith("each")}
    return {name: {**rule, "dimensions": [dimensions[d] for d in rule["dimensions"]]} for (name,), rule in loaded}


def test_each_query_has_a_rule() -> None:
    assert rules().keys() == texts().keys()


@pytest.mark.parametrize("name", texts())
def test_a_query_says_first_what_it_tells(name: str) -> None:
    assert re.match(r"// [A-Z].+\.\n[^/]", texts()[name])


@pytest.mark.parametrize("name", texts())
def test_a_query_is_understood(name: str) -> None:
    assert analysis()[name].errors == []


@pytest.mark.parametrize("name", texts())
def test_a_query_looks_back_by_literals_which_is_all_that_an_alert_understands(name: str) -> None:
    # https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-create-log-alert-rule
    said = re.findall(r"\bago\(([^)]*)\)", texts()[name])
    assert [span for span in said if not re.fullmatch(r"\d+[dhm]", span)] == []


@pytest.mark.parametrize("name", texts())
def test_an_alert_tells_what_it_is_about(name: str) -> None:
    columns = analysis()[name].columns
    for dimension in rules()[name]["dimensions"]:
        assert columns[dimension] == "string"
    # A column of that name would have the rows counted by their time.
    assert "TimeGenerated" not in columns


@pytest.mark.parametrize("name", texts())
def test_a_query_stands_on_events_that_are_logged(name: str) -> None:
    named = set(EVENT_NAME.findall(texts()[name]))
    assert named
    assert named <= set(Event)


def test_the_queries_of_the_docs_are_understood_and_there_is_one_for_each_alert() -> None:
    text = "\n".join(block.text for block in blocks() if block.language == "kusto")
    queries = {query.removeprefix("// ").partition(":")[0]: query for query in re.split(r"\n{2,}", text.strip())}
    assert texts().keys() <= queries.keys()
    assert {name: found.errors for name, found in analyse(queries).items() if found.errors} == {}
    assert set(EVENT_NAME.findall(text)) <= set(Event)


def test_what_is_overdue_is_within_sight() -> None:
    for name in ("backup-overdue", "no-tick"):
        assert rules()[name]["lookback"] == "P2D"
        assert "ago(2d)" in texts()[name]


def test_what_tells_of_an_app_that_does_not_run_does_not_resolve_itself_when_its_traces_leave_the_sight() -> None:
    muted = {name: rule["muted"] for name, rule in rules().items() if rule["muted"]}
    assert muted == {"no-tick": "P1D", "not-started": rules()["not-started"]["lookback"]}
    # Azure takes one of the two: https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-create-log-alert-rule
    source = (INFRA / "modules" / "alerts.bicep").read_text()
    assert "autoMitigate: empty(rule.muted)\n" in source
    assert "muteActionsDuration: empty(rule.muted) ? null : rule.muted\n" in source


def test_an_app_that_does_not_start_is_looked_for_every_five_minutes() -> None:
    assert rules()["not-started"]["frequency"] == "PT5M"


def test_an_alert_tells_that_a_lock_of_the_backup_account_was_removed() -> None:
    (alert,) = resources("Microsoft.Insights/activityLogAlerts").values()
    properties = alert["properties"]
    assert (properties["enabled"], properties["scopes"]) == (True, ["backupAccountId"])
    assert {condition["field"]: condition["equals"] for condition in properties["condition"]["allOf"]} == {
        "category": "Administrative",
        "operationName": "Microsoft.Authorization/locks/delete",
        "status": "Succeeded",
    }
    assert "backupAccountId: backupAccount.outputs.id" in (INFRA / "main.bicep").read_text()


def test_a_query_with_a_mistake_is_not_understood() -> None:
    wrong = ["AppTraces | where Massage has 'x'", "AppTraces | wher true", "Traces | count", "AppTraces | take 'x'"]
    found = analyse({query: query for query in wrong})
    assert [query for query in wrong if not found[query].errors] == []

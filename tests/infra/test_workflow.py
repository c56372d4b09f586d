"""What GitHub and azd read names what is there."""

import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.app.crash_scenes import SCENES
from tests.conformance.real.plan import arguments_of
from tests.infra.bicep_file import read
from tests.infra.tree import BICEP_FILES, MAIN, ROOT, parsed

WORKFLOWS = {path.stem: path for path in (ROOT / ".github" / "workflows").iterdir()}
MORE_PERMISSIONS = {
    "ci": {"what-if": {"contents": "read", "id-token": "write"}},
    "real-azure": {"prove": {"contents": "read", "id-token": "write"}},
    "release": {"publish": {"contents": "write", "id-token": "write", "attestations": "write"}},
}
EACH = pytest.mark.parametrize("name", sorted(WORKFLOWS))


def workflow(name: str = "ci") -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(WORKFLOWS[name].read_text())
    return read


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in workflow(name)["jobs"].values() for step in job["steps"]]


def commands(job: str, name: str = "ci") -> str:
    return "\n".join(step.get("run", "") for step in workflow(name)["jobs"][job]["steps"])


@EACH
def test_each_action_is_pinned_to_a_commit(name: str) -> None:
    used = [step["uses"] for step in steps(name) if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in used)


@EACH
def test_a_job_may_only_read_the_repository_unless_it_signs_in_or_publishes(name: str) -> None:
    assert workflow(name)["permissions"] == {"contents": "read"}
    given = {job: found["permissions"] for job, found in workflow(name)["jobs"].items() if "permissions" in found}
    assert given == MORE_PERMISSIONS.get(name, {})


@EACH
def test_each_script_can_be_parsed_and_takes_what_it_is_given_from_the_environment(name: str) -> None:
    for step in steps(name):
        subprocess.run(("bash", "-n", "-c", step.get("run", "")), check=True)
        assert "${{" not in step.get("run", ""), "GitHub would paste it into the script unquoted"


@EACH
def test_each_job_waits_for_jobs_that_there_are(name: str) -> None:
    jobs = workflow(name)["jobs"]
    waited_for = {needed for job in jobs.values() for needed in [job.get("needs", [])] if isinstance(needed, str)}
    assert waited_for <= jobs.keys()


def test_a_tag_is_published_after_the_tests_with_its_checksum_and_provenance() -> None:
    release: dict[Any, Any] = workflow("release")
    assert release[True] == {"push": {"tags": ["v*"]}}, "YAML reads the key on as true"
    assert release["jobs"]["publish"]["needs"] == "test"
    made = 'python3 -m infra.release "$GITHUB_REF_NAME"'
    early, tested = filter(None, commands("test", "release").splitlines())
    assert early.startswith(made)
    assert tested == "python3 infra/local test"
    package, attest, publish = release["jobs"]["publish"]["steps"][2:]
    assert package["run"] == f"{made} dist"
    assert attest["uses"].startswith("actions/attest@")
    assert attest["with"] == {"subject-path": "dist/*.zip"}
    for part in ("--verify-tag", "--notes-file dist/notes.md", "dist/*.zip", "dist/*.zip.sha256"):
        assert part in publish["run"]


@EACH
def test_tests_run_on_the_python_of_azure(name: str) -> None:
    versions = {step["with"]["python-version"] for step in steps(name) if "python-version" in step.get("with", {})}
    app = parsed(ROOT / "infra/modules/function-app.bicep")["resources"]["app"]
    assert versions == {app["config"]["properties"]["functionAppConfig"]["runtime"]["version"]}


def test_the_workflow_runs_the_test_command() -> None:
    assert "python3 infra/local test" in commands("test").splitlines()


def test_each_change_is_checked_by_the_tools_that_the_test_command_leaves_out() -> None:
    assert "python3 infra/local test --nightly tests/infra/test_policies.py" in commands("policies")
    assert "python3 infra/local test --nightly tests/docs tests/infra/test_types.py" in commands("tools")


def test_each_night_all_cases_of_all_tests_are_run() -> None:
    assert "python3 infra/local test --nightly" in commands("test", "nightly")


def test_each_night_the_app_is_killed_at_every_call_of_every_scene_and_the_simulation_plays_for_an_hour() -> None:
    crashes = workflow("nightly")["jobs"]["crashes"]
    assert crashes["strategy"]["matrix"] == {"scene": [scene.__name__ for scene in SCENES]}
    [sweep] = [step for step in crashes["steps"] if step.get("run") == "python3 infra/local soak --crashes"]
    assert sweep["env"] == {"PYTEST_ADDOPTS": "-k ${{ matrix.scene }}"}
    assert "python3 infra/local soak --minutes 60" in commands("soak", "nightly")


def test_the_workflow_builds_every_bicep_file() -> None:
    (listed,) = re.findall(r"for file in (.+); do", commands("bicep"))
    files = [path for pattern in listed.split() for path in sorted(ROOT.glob(pattern))]
    assert files == BICEP_FILES


@pytest.mark.parametrize("what", ["validate", "what-if"])
def test_azure_is_asked_with_all_that_the_deployment_requires(what: str) -> None:
    (command,) = [
        line for line in commands("what-if").replace("\\\n", " ").splitlines() if f"az deployment sub {what} " in line
    ]
    (template,) = re.findall(r"--template-file (\S+)", command)
    assert ROOT / template == MAIN
    passed = set(re.findall(r'(\w+)="\$', command))
    required = {name for name, parameter in read(MAIN).of("param").items() if parameter.is_required}
    assert passed == required | {"sources"}, "without a disk to back up nothing is deployed"


@pytest.mark.parametrize(("name", "job"), [("ci", "what-if"), ("real-azure", "prove")])
def test_only_the_main_branch_signs_in_to_azure_and_only_where_the_repository_names_a_subscription(
    name: str, job: str
) -> None:
    conditions = workflow(name)["jobs"][job]["if"].split(" && ")
    assert "github.ref == 'refs/heads/main'" in conditions
    assert "vars.AZURE_CLIENT_ID != ''" in conditions


def test_the_command_that_proves_takes_what_its_workflow_gives_it() -> None:
    command = commands("prove", "real-azure").replace("\\\n", " ")
    [given] = [line for line in command.splitlines() if "infra/local prove" in line]
    filled = re.sub(r"\$\{\w+:\+(.+?)\}", r"\1", given).replace('"', "").replace("$", "").lower().replace("_", "")
    options = arguments_of(filled.split("prove", 1)[1].split())
    assert options.yes
    assert (options.account, options.backup_account, options.premium_account) == (
        "account",
        "backupaccount",
        "premiumaccount",
    )
    assert (options.region, options.disk_group) == ("region", "diskgroup")


def test_an_azd_is_refused_that_would_delete_the_resource_groups_of_the_disks() -> None:
    # https://github.com/Azure/azure-dev/pull/7698, in 1.24.1
    wanted = yaml.safe_load((ROOT / "azure.yaml").read_text())["requiredVersions"]["azd"]
    oldest = re.fullmatch(r">= (\d+)\.(\d+)\.(\d+)", wanted)
    assert oldest
    assert tuple(map(int, oldest.groups())) >= (1, 24, 1)


def test_azd_deploys_this_folder_to_the_app_that_bears_its_name() -> None:
    project = yaml.safe_load((ROOT / "azure.yaml").read_text())
    assert project["services"] == {"tidemark": {"project": ".", "language": "python", "host": "function"}}
    tag = "'azd-service-name': 'tidemark'"
    assert tag in MAIN.read_text()

"""The Bicep files parse, and fit together."""

import json
import re
from pathlib import Path

import pytest

from tests.infra.bicep_file import BicepFile, parse, read
from tests.infra.mistakes import mistakes_in
from tests.infra.tree import BICEP_FILES, INFRA, MAIN, parsed

MODULE = """
param name string
param size int = 1
output id string = '${name}-${size}'
"""

NETWORK = "resource network 'X/y@2024-01-01' = {\n  name: 'n'\n}\n"


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "module.bicep"
    path.write_text(MODULE)
    return path


def written(folder: Path, source: str) -> BicepFile:
    return parse(source, folder / "file.bicep")


@pytest.mark.parametrize("path", BICEP_FILES, ids=lambda path: path.name)
def test_a_file_parses(path: Path) -> None:
    tree = parsed(path)
    assert tree.get("modules") or tree.get("resources")


@pytest.mark.parametrize("path", BICEP_FILES, ids=lambda path: path.name)
def test_what_a_file_names_is_there_and_what_it_declares_is_used(path: Path) -> None:
    assert mistakes_in(read(path)) == []


def test_all_files_are_part_of_the_deployment() -> None:
    called = {MAIN.parent / module.target for module in read(MAIN).of("module").values()}
    assert called == set(BICEP_FILES) - {MAIN}


def test_the_parameters_that_azd_passes_are_declared_and_complete() -> None:
    passed = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    declared = read(MAIN).of("param")
    assert passed.keys() == declared.keys()
    for entry in passed.values():
        # The default of one may be another: https://github.com/drone/envsubst
        assert re.fullmatch(r"\$\{[A-Z_]+(?:=\$\{[A-Z_]+\})?\}", entry["value"])


def test_a_secret_parameter_is_marked_all_the_way() -> None:
    for name in ("main.bicep", "modules/function-app.bicep"):
        decorators = parsed(INFRA / name)["parameters"]["heartbeatUrl"]["decorators"]
        assert "secure" in {decorator["type"] for decorator in decorators}


@pytest.mark.parametrize(
    ("source", "mistake"),
    [
        ("var a = b\noutput c string = a", "b is not declared"),
        ("var a = 'x-${b}'\noutput c string = a", "b is not declared"),
        ("var a = [for item in items: item.name]\noutput c array = a", "items is not declared"),
        ("param a bool\noutput c string = a ? 'x' : b", "b is not declared"),
        ("param a Missing\noutput c array = a", "Missing is not declared"),
        ("output c string = lower('X')", "lower() is no function that is known"),
        ("param a string", "param a is not used"),
        ("var a = 1", "var a is not used"),
        ("resource a 'X/y@2024-01-01' existing = {\n  name: 'z'\n}", "resource a is not used"),
        ("output c string = loadTextContent('missing.kql')", "there is no missing.kql to load"),
        ("module a 'missing.bicep' = {\n  name: 'a'\n}", "module a: there is no"),
        ("module a 'module.bicep' = {\n  name: 'a'\n  params: {\n    size: 2\n  }\n}", "module a gets no name"),
        (
            "module a 'module.bicep' = {\n  name: 'a'\n  params: {\n    name: 'b'\n    colour: 'c'\n  }\n}",
            "module a has no parameter colour",
        ),
        (
            "param b int\nmodule a 'module.bicep' = {\n  name: 'a'\n  params: {\n    name: b\n  }\n}",
            "module a gets int for name, which is string",
        ),
        (
            "module a 'module.bicep' = {\n  name: 'a'\n  params: {\n    name: 'b'\n  }\n}\noutput c int = a.outputs.d",
            "module a has no output d",
        ),
        (
            f"{NETWORK}var a = network.properties.subnets\noutput c array = [for b in a: b.name]",
            "a -> network.properties comes too late for the loop of c",
        ),
        (
            f"{NETWORK}resource b 'X/z@2024-01-01' = if (empty(network.properties.subnets)) {{\n  name: 'b'\n}}",
            "network.properties comes too late for the condition of b",
        ),
        (
            f"{NETWORK}resource b 'X/z@2024-01-01' = {{\n  name: network.properties.guid\n}}",
            "network.properties comes too late for the name of b",
        ),
        ("@minimum(1)\nparam a int\noutput c int = a", "@minimum is no decorator"),
    ],
)
def test_a_mistake_is_found(module: Path, source: str, mistake: str) -> None:
    (found,) = mistakes_in(written(module.parent, source))
    assert mistake in found


def test_a_file_without_mistakes_has_none(module: Path) -> None:
    source = """
@description('It\\'s a ${text} with signs: {, [ and (')
param items array // and : a comment
param names string[] = ['a', 'b']
var each = join(map(items, item => 'x-${item.name}-${empty(names) ? 'none' : names[0]}'), ' ')
var long = '''
not ${declared}
'''
module calls 'module.bicep' = [
  for (item, number) in items: {
    name: 'call-${number}'
    params: {
      name: item.?name ?? each
    }
  }
]
output ids array = [for number in [0, 1]: calls[number].outputs.id]
output text string = long
"""
    # A text with ${ in its first line is escaped, and stands for itself.
    assert mistakes_in(written(module.parent, source.replace("a ${text}", "a \\${text}"))) == []

"""The mistakes in a tree of Bicep files that can be found without the compiler, each in a line."""

from collections.abc import Iterator
from pathlib import Path

from tests.infra.bicep_file import (
    FUNCTIONS,
    BicepFile,
    Declared,
    is_call,
    loaded_in,
    named_in,
    outputs_named,
    read,
    unknown_decorators,
)
from tests.infra.late_values import late_values


def mistakes_in(found: BicepFile) -> list[str]:
    """List the mistakes in a file: what it names, loads, passes on and does not use."""
    lines = [*_wrong_names(found), *_unused(found), *_wrong_loads(found), *_wrong_modules(found), *late_values(found)]
    lines += [f"@{name} is no decorator" for name in unknown_decorators(found)]
    return [f"{found.path.name}: {line}" for line in lines]


def _wrong_names(found: BicepFile) -> Iterator[str]:
    for statement in found.statements:
        for word in named_in(statement):
            if is_call(statement, word):
                if word.text not in FUNCTIONS:
                    yield f"line {word.line}: {word.text}() is no function that is known"
            elif word.text not in found.declared:
                yield f"line {word.line}: {word.text} is not declared"


def _unused(found: BicepFile) -> Iterator[str]:
    named = {word.text for statement in found.statements for word in named_in(statement)}
    for statement in found.declared.values():
        # A resource or a module does something by being there; one that exists already does not.
        acts = statement.keyword in {"resource", "module"} and "existing" not in {w.text for w in statement.words[:2]}
        if statement.name not in named and not acts:
            yield f"line {statement.line}: {statement.keyword} {statement.name} is not used"


def _wrong_loads(found: BicepFile) -> Iterator[str]:
    for statement in found.statements:
        for path in loaded_in(statement):
            if not (found.path.parent / path).is_file():
                yield f"line {statement.line}: there is no {path} to load"


def _wrong_modules(found: BicepFile) -> Iterator[str]:
    modules = {name: found.path.parent / module.target for name, module in found.of("module").items()}
    for name, path in modules.items():
        if path.is_file():
            yield from _wrong_parameters(found, found.declared[name], read(path))
        else:
            yield f"module {name}: there is no {path}"
    for statement in found.statements:
        for module, output in outputs_named(statement):
            path = modules.get(module, Path())
            if path.is_file() and output not in read(path).outputs:
                yield f"line {statement.line}: module {module} has no output {output}"
            elif module not in modules:
                yield f"line {statement.line}: {module} is no module, and has no outputs"


def _wrong_parameters(found: BicepFile, module: Declared, called: BicepFile) -> Iterator[str]:
    wanted = called.of("param")
    passed = module.passed()
    for name in passed.keys() - wanted.keys():
        yield f"module {module.name} has no parameter {name}"
    for name, parameter in wanted.items():
        if parameter.is_required and name not in passed:
            yield f"module {module.name} gets no {name}"
        value = passed.get(name, [])
        if len(value) == 1 and value[0].text in found.of("param"):
            own = found.declared[value[0].text]
            if _kind(own) != _kind(parameter):
                yield f"module {module.name} gets {own.type} for {name}, which is {parameter.type}"


def _kind(parameter: Declared) -> str:
    kind = parameter.type.partition("=")[0].rstrip("?")
    return "array" if kind.endswith("[]") else kind

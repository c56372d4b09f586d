"""What is wrong with a setting, a request or a message: pydantic's findings in plain words, without the values."""

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

_MAX_FIELD_NAME = 40
"""Characters of an unknown field's name; a longer one is noise, or a secret in the wrong place."""

_MAX_SHOWN = 5
"""Findings that one answer lists."""

_PLAIN = {
    "missing": "is missing",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "string_too_short": "must not be empty",
    "model_type": "must be a JSON object",
    "dict_type": "must be a JSON object",
    "dataclass_type": "must be a JSON object",
}


def describe_findings(findings: Sequence[Mapping[str, Any]], known_fields: Collection[str]) -> str:
    """Describe what pydantic found wrong, in one line.

    Args:
        findings: `ValidationError.errors()`, without inputs.
        known_fields: the fields there are, for a suggestion where one is misspelled.
    """
    meant = {suggestion(_field(found), known_fields) for found in findings if found["type"] == "extra_forbidden"}
    described = [
        describe_finding(_field(found), found["type"], found["msg"], known_fields)
        for found in findings
        if not (found["type"] == "missing" and _field(found) in meant)
    ]
    return joined(described[:_MAX_SHOWN])


def describe_finding(field: str, kind: str, message: str, known_fields: Collection[str]) -> str:
    """Describe one thing that pydantic found wrong.

    Args:
        field: where it is; empty for the whole.
        kind: pydantic's name for it.
        message: pydantic's message.
        known_fields: the fields there are.
    """
    if kind == "extra_forbidden":
        return unknown_field(field, known_fields)
    if kind == "missing":
        return f"{field} is missing"
    problem = plain(kind, message)
    if field:
        return f"{field}: {problem}"
    return f"the message {problem}" if problem.startswith("must ") else problem


def plain(kind: str, message: str) -> str:
    """Put one of pydantic's messages in plain words."""
    text = message.removeprefix("Value error, ")
    if kind in _PLAIN:
        return _PLAIN[kind]
    return f"must be {text.removeprefix('Input should be ')}" if text.startswith("Input should be ") else text


def unknown_field(name: str, known_fields: Collection[str]) -> str:
    """Say that a field is unknown, and which one was probably meant."""
    if not (name.replace(".", "").isidentifier() and len(name) < _MAX_FIELD_NAME):
        return "unknown field"
    close = suggestion(name, known_fields)
    return f'unknown field "{name}"' + (f'; did you mean "{close}"?' if close else "")


def suggestion(name: str, known_fields: Collection[str]) -> str:
    """Return the field that a misspelled name probably means; empty where none is close."""
    by_lower = {known.lower(): known for known in known_fields}
    close = difflib.get_close_matches(name.replace("_", "").lower(), by_lower, n=1)
    return by_lower[close[0]] if close else ""


def joined(parts: Sequence[str]) -> str:
    """Join findings with semicolons, but after a question mark."""
    text = ""
    for part in parts:
        text += (" " if text.endswith("?") else "; ") + part if text else part
    return text


def _field(found: Mapping[str, Any]) -> str:
    return ".".join(map(str, found["loc"]))

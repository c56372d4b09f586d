"""The routes of HTTP triggers: templates of paths, as ASP.NET Core's routing reads them."""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

_PARAMETER = re.compile(r"\{(?P<rest>\*{0,2})(?P<name>\w+)(?P<optional>\??)\}")


@dataclass(frozen=True, slots=True)
class _Segment:
    """A part of a path: a parameter, or literal text."""

    text: str
    is_parameter: bool = False
    is_optional: bool = False
    takes_rest: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        if match := _PARAMETER.fullmatch(text):
            rest = bool(match["rest"])
            return cls(match["name"], is_parameter=True, is_optional=rest or bool(match["optional"]), takes_rest=rest)
        if "{" in text or "}" in text:
            raise ValueError(f"{text} is not supported; a part is text, {{NAME}}, {{NAME?}} or {{*NAME}}")
        return cls(text.lower())


@dataclass(frozen=True, slots=True)
class Route:
    """The template of a path, such as `disks/{disk}/{point?}`."""

    template: str
    segments: tuple[_Segment, ...]

    @classmethod
    def parse(cls, template: str) -> Self:
        """Read a template.

        Raises:
            ValueError: it has a part that this host does not support, such as one with a constraint.
        """
        return cls(template, tuple(_Segment.parse(part) for part in template.strip("/").split("/")))

    def __str__(self) -> str:
        return f"/{self.template.strip('/')}"

    @property
    def precedence(self) -> list[tuple[bool, bool]]:
        """What routes are sorted by: text comes before a parameter, and this before one that takes the rest."""
        return [(segment.is_parameter, segment.takes_rest) for segment in self.segments]

    def match(self, path: str) -> dict[str, str] | None:
        """Return the values of the parameters, or None if the path is another. Text matches in any case.

        Args:
            path: a percent-encoded path.
        """
        parts = [unquote(part) for part in path.strip("/").split("/")] if path.strip("/") else []
        found: dict[str, str] = {}
        for number, segment in enumerate(self.segments):
            if segment.takes_rest:
                rest = "/".join(parts[number:])
                return found | ({segment.text: rest} if rest else {})
            if number >= len(parts):
                if not segment.is_optional:
                    return None
            elif segment.is_parameter:
                found[segment.text] = parts[number]
            elif segment.text != parts[number].lower():
                return None
        return found if len(parts) <= len(self.segments) else None

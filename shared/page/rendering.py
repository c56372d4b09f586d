"""HTML by Jinja2: all is escaped, nothing is undefined, and the one style sheet is inlined and allowed by its hash."""

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from shared.version import VERSION

TEMPLATES = Path(__file__).parent / "templates"

REFRESH_SECONDS = 60
"""How often a page loads itself again."""

HOW_TO_REFRESH = "refresh"
"""The parameter of a page that is `off` where it is not to load itself again."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_PICTURES = 0x2400
"""Where Unicode has a picture of each control character."""


def visible(value: object) -> object:
    """Show what HTML can't hold, control characters and half characters, so that a text is not cut or changed by it."""
    if isinstance(value, str) and not isinstance(value, Markup) and _CONTROL.search(value):
        return _CONTROL.sub(lambda found: _picture(ord(found[0])), value)
    return value


def _picture(code: int) -> str:
    space = 0x20
    if code < space:
        return chr(_PICTURES + code)
    return "\u2421" if code == 0x7F else "\ufffd"  # noqa: PLR2004 - DEL has a picture of its own


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {"style": Markup(_style()), "version": VERSION, "link": link, "refresh_seconds": REFRESH_SECONDS}  # noqa: S704 - it is our own file
    return made


def render(template: str, **values: Any) -> str:
    """Write a page.

    Args:
        template: the name of its template.
        values: what the template shows.
    """
    return _environment().get_template(template).render(**values)


def link(**query: str) -> str:
    """Write a link to another page of the same address; a disk's name may hold anything."""
    return f"?{urlencode({name: value for name, value in query.items() if value})}"


@cache
def _style() -> str:
    return (TEMPLATES / "page.css").read_text(encoding="utf-8")


@cache
def headers() -> Mapping[str, str]:
    """Give the headers of every answer: nothing is loaded, run, framed, stored or told to another site."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    policy = (
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Resource-Policy": "same-origin",
    }

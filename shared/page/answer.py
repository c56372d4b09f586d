"""The seam between the page and what serves it: what was asked for, and the whole answer, headers included."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from azure.core.exceptions import AzureError, ResourceNotFoundError
from pydantic import ValidationError

from shared.azure.answers import explain
from shared.azure.services import Services
from shared.errors import TidemarkError
from shared.page.accepted import prefers_json
from shared.page.metrics import CONTENT_TYPE as METRICS_TYPE
from shared.page.metrics import metrics_of
from shared.page.pages import NoSuchDiskError, NoSuchTimeError, disk_data, disk_html, report_data, status_html
from shared.page.reading import Reads
from shared.page.rendering import HOW_TO_REFRESH, headers, render
from shared.page.shown import split_advice

HTML, JSON, TEXT = "text/html; charset=utf-8", "application/json; charset=utf-8", "text/plain; charset=utf-8"

STATUS, STATUS_JSON, METRICS = "status", "status.json", "metrics"

_NO_TABLE = (
    "there is no table yet, as no tick has begun, or somebody has deleted it. What to do: wait for the next tick, or"
    " start the function take_snapshots"
)
_UNREADABLE = "see whether the app's own storage is up, and whether the app may read its table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for.

    Attributes:
        path: `status`, `status.json` or `metrics`.
        accept: the header `Accept`; empty if there is none.
        query: the parameters: `disk`, `before`, `refresh`.
    """

    path: str
    accept: str
    query: Mapping[str, str]

    @property
    def wants_json(self) -> bool:
        """Whether it is for a program."""
        return self.path == STATUS_JSON or prefers_json(self.accept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The answer.

    Attributes:
        status: the HTTP status.
        headers: the headers, the type of the content included.
        body: the body.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


async def answer(services: Services, asked: Asked) -> Answered:
    """Answer what was asked for. It reads, and writes nothing; an error is an answer too."""
    try:
        return await _answer(Reads.of(services), asked)
    except NoSuchDiskError as error:
        return problem(asked, HTTPStatus.NOT_FOUND, "There is no such disk", str(error))
    except NoSuchTimeError as error:
        return problem(asked, HTTPStatus.BAD_REQUEST, "That is no time", str(error))
    except ResourceNotFoundError:
        # A row that is not there is no error anywhere: it is the table.
        return problem(asked, HTTPStatus.SERVICE_UNAVAILABLE, "Nothing is on record yet", _NO_TABLE)
    except (AzureError, TidemarkError, ValidationError, OSError) as error:
        why = explain(error)
        said = why if split_advice(why)[1] else f"{why.rstrip('.')}. What to do: {_UNREADABLE}"
        return problem(asked, HTTPStatus.SERVICE_UNAVAILABLE, "What is on record can't be read", said)


async def _answer(reads: Reads, asked: Asked) -> Answered:
    if asked.path == METRICS:
        return _answered(HTTPStatus.OK, METRICS_TYPE, metrics_of((await reads.status.read_all()).report))
    if asked.path not in {STATUS, STATUS_JSON}:
        return problem(asked, HTTPStatus.NOT_FOUND, "There is no such page", f"{asked.path} is none of the pages")
    disk, before = asked.query.get("disk", ""), asked.query.get("before", "")
    if asked.wants_json:
        return _json(HTTPStatus.OK, await disk_data(reads, disk, before) if disk else await report_data(reads))
    refresh = asked.query.get(HOW_TO_REFRESH, "")
    page = disk_html(reads, disk, before, refresh=refresh) if disk else status_html(reads, refresh=refresh)
    return _answered(HTTPStatus.OK, HTML, await page)


def problem(asked: Asked, status: HTTPStatus, title: str, text: str) -> Answered:
    """Say what is wrong, and what to do, in the form that was asked for."""
    why, advice = split_advice(text)
    if asked.path == METRICS:
        return _answered(status, TEXT, f"{' '.join(text.split())}\n")
    if asked.wants_json:
        return _json(status, {"error": text})
    return _answered(status, HTML, render("problem.html", title=title, why=why, advice=advice, code=int(status)))


def _json(status: HTTPStatus, data: Mapping[str, Any]) -> Answered:
    return _answered(status, JSON, json.dumps(data, ensure_ascii=False))


def _answered(status: HTTPStatus, content_type: str, text: str) -> Answered:
    # The answer may differ by Accept; nothing keeps it, but a proxy that does must know.
    more = {"Content-Type": content_type, "Vary": "Accept"}
    return Answered(status=int(status), headers={**headers(), **more}, body=text.encode(errors="replace"))

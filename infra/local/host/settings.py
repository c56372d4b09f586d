"""What the host reads before it starts: host.json, local.settings.json and app settings."""

import json
import re
from collections.abc import Mapping, MutableMapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

_PLACEHOLDER = re.compile(r"%([^%]+)%")
_TIME_SPAN = re.compile(r"(?:(\d{1,3})\.)?(\d{1,2}):([0-5]\d):([0-5]\d)")
_HOURS_A_DAY = 24
_QUEUES_OVERRIDE = "AzureFunctionsJobHost__extensions__queues__"


class StartError(Exception):
    """The app can't be hosted; the message says what to change."""


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def parse_time_span(value: Any) -> timedelta:
    """Read a .NET time span, `hh:mm:ss` or `d.hh:mm:ss`.

    Raises:
        ValueError: it is not a time span.
    """
    match = _TIME_SPAN.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[2]) >= _HOURS_A_DAY:
        raise ValueError("expected a time as hh:mm:ss")
    return timedelta(days=int(match[1] or 0), hours=int(match[2]), minutes=int(match[3]), seconds=int(match[4]))


def _parse_wait(value: Any) -> timedelta:
    if not (wait := parse_time_span(value)):
        raise ValueError("expected a time greater than zero")
    return wait


TimeSpan = Annotated[timedelta, BeforeValidator(parse_time_span)]
Wait = Annotated[timedelta, BeforeValidator(_parse_wait)]


class QueueOptions(BaseModel):
    """The section `extensions.queues` of host.json, with the Functions host's defaults and limits."""

    model_config = ConfigDict(alias_generator=to_camel, strict=True, frozen=True, extra="forbid")

    batch_size: int = Field(default=16, ge=1, le=32)
    new_batch_threshold: int | None = Field(default=None, ge=0)
    max_dequeue_count: int = Field(default=5, ge=1)
    visibility_timeout: TimeSpan = Field(default=timedelta(0), le=timedelta(days=7))
    max_polling_interval: Wait = timedelta(minutes=1)
    message_encoding: Annotated[Literal["base64", "none"], BeforeValidator(_lower)] = "base64"

    @property
    def refill_at(self) -> int:
        """The number of running messages at which the next batch is fetched; half a batch by default."""
        return self.batch_size // 2 if self.new_batch_threshold is None else self.new_batch_threshold


class HttpOptions(BaseModel):
    """The section `extensions.http` of host.json; `route_prefix` is the part of the path before each route."""

    model_config = ConfigDict(alias_generator=to_camel, strict=True, frozen=True, extra="forbid")

    route_prefix: str = "api"


class _Extensions(BaseModel):
    queues: QueueOptions = QueueOptions()
    http: HttpOptions = HttpOptions()


class _HostFile(BaseModel):
    version: Literal["2.0"]
    extensions: _Extensions = _Extensions()


class _LocalSettings(BaseModel):
    model_config = ConfigDict(strict=True)

    encrypted: bool = Field(default=False, alias="IsEncrypted")
    values: dict[str, str] = Field(default={}, alias="Values")


def read_queue_options(app: Path, environment: Mapping[str, str]) -> QueueOptions:
    """Read the app's host.json; an app setting `AzureFunctionsJobHost__extensions__queues__NAME` overrides its NAME.

    Raises:
        StartError: it is missing or not JSON, or a value has the wrong type or is out of range.
    """
    options = _read(app / "host.json", _HostFile).extensions.queues
    chosen = {
        name.removeprefix(_QUEUES_OVERRIDE): value
        for name, value in environment.items()
        if name.startswith(_QUEUES_OVERRIDE)
    }
    try:
        overrides = QueueOptions.model_validate_strings(chosen)
    except ValidationError as error:
        wrong = "; ".join(f"{_QUEUES_OVERRIDE}{detail['loc'][0]}: {detail['msg']}" for detail in error.errors())
        raise StartError(f"The app settings: {wrong}") from None
    return options.model_copy(update=overrides.model_dump(exclude_unset=True))


def read_http_options(app: Path) -> HttpOptions:
    """Read the app's host.json.

    Raises:
        StartError: it is missing or not JSON, or a value has the wrong type.
    """
    return _read(app / "host.json", _HostFile).extensions.http


def add_local_settings(app: Path, environment: MutableMapping[str, str]) -> None:
    """Add the values of local.settings.json, if there is one, for names that are not set, as `func start` does.

    Raises:
        StartError: it is not JSON, is encrypted, or has a value that is not a string.
    """
    path = app / "local.settings.json"
    if not path.exists():
        return
    local = _read(path, _LocalSettings)
    if local.encrypted:
        raise StartError(f"{path} is encrypted: run `func settings decrypt` in its folder.")
    for name, value in local.values.items():
        environment.setdefault(name, value)


def expand(text: str, environment: Mapping[str, str], owner: str) -> str:
    """Replace each `%SETTING%` by the app setting's value; `owner` names the text in an error.

    Raises:
        StartError: a setting is not set.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name not in environment:
            raise StartError(f"{owner} is {text!r}, but the app setting {name} is not set.")
        return environment[name]

    return _PLACEHOLDER.sub(value, text)


def _read[Model: BaseModel](path: Path, model: type[Model]) -> Model:
    try:
        return model.model_validate(json.loads(path.read_text(encoding="utf-8-sig")))
    except FileNotFoundError:
        raise StartError(f"{path} is missing.") from None
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, detail['loc']))}: {detail['msg']} (it is {detail['input']!r})"
            for detail in error.errors()
        )
        raise StartError(f"{path}: {wrong}") from None
    except ValueError as error:
        raise StartError(f"{path} is not JSON: {error}") from None

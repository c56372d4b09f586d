"""The app settings of the retention: what to keep, in which time zone, and whether to delete the rest."""

from enum import StrEnum
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import Field, PlainSerializer, ValidationInfo, field_validator
from pydantic_core import PydanticKnownError
from pydantic_settings import BaseSettings, NoDecode

from shared.model.retention_rules import EXAMPLE, Rules


class RetentionMode(StrEnum):
    """What is done with recovery points that no rule keeps: nothing, a plan is put on record, or they are deleted."""

    OFF = "off"
    REPORT = "report"
    ON = "on"


class RetentionSettings(BaseSettings):
    """The settings of the retention; an empty one is the default, which deletes nothing."""

    retention: Annotated[Rules | None, NoDecode, PlainSerializer(str)] = None
    retention_zone: Annotated[ZoneInfo, PlainSerializer(str)] = ZoneInfo("UTC")
    retention_mode: RetentionMode = Field(default=RetentionMode.OFF, validate_default=True)

    @field_validator("retention", mode="plain")
    @classmethod
    def _parse_rules(cls, value: object) -> Rules | None:
        if value is None or isinstance(value, Rules):
            return value
        if not isinstance(value, str):
            raise PydanticKnownError("string_type")
        return Rules.parse(value) if value.strip() else None

    @field_validator("retention_zone", mode="plain")
    @classmethod
    def _parse_zone(cls, value: object) -> ZoneInfo:
        if isinstance(value, ZoneInfo):
            return value
        if not isinstance(value, str):
            raise PydanticKnownError("string_type")
        try:
            return ZoneInfo(value.strip() or "UTC")
        except (ValueError, OSError, KeyError):
            raise ValueError("must be the name of a time zone, such as Europe/Berlin") from None

    @field_validator("retention_mode", mode="before")
    @classmethod
    def _require_rules(cls, value: Any, info: ValidationInfo) -> Any:
        mode = (value.strip().lower() or RetentionMode.OFF) if isinstance(value, str) else value
        if mode in {RetentionMode.REPORT, RetentionMode.ON} and info.data.get("retention", EXAMPLE) is None:
            raise ValueError(f"can't be {mode} without RETENTION: set that to what to keep, such as {EXAMPLE}")
        return mode

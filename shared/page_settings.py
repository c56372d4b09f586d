"""The app settings of the status page: whether it is served, and to whom."""

import re
from enum import StrEnum
from typing import Any

from pydantic import Field, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

_OBJECT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class StatusPage(StrEnum):
    """Who may look: nobody, members of a group whom Entra ID has signed in, or whoever has the function key."""

    OFF = "off"
    ENTRA = "entra"
    KEY = "key"


class PageSettings(BaseSettings):
    """The settings of the status page; by default nothing answers HTTP.

    `is_auth_on` is what the platform says of App Service Authentication (Environment variables and app settings in
    Azure App Service).
    """

    status_page_group: str = ""
    status_page: StatusPage = Field(default=StatusPage.OFF, validate_default=True)
    is_auth_on: bool = Field(default=False, validation_alias="WEBSITE_AUTH_ENABLED")

    @field_validator("status_page_group", mode="after")
    @classmethod
    def _require_object_id(cls, value: str) -> str:
        group = value.strip().lower()
        if group and not _OBJECT_ID.fullmatch(group):
            raise ValueError("must be the object ID of a group, such as 01234567-89ab-cdef-0123-456789abcdef")
        return group

    @field_validator("status_page", mode="before")
    @classmethod
    def _require_group(cls, value: Any, info: ValidationInfo) -> Any:
        page = (value.strip().lower() or StatusPage.OFF) if isinstance(value, str) else value
        if page == StatusPage.ENTRA and not info.data.get("status_page_group", "an invalid one is told of alone"):
            raise ValueError("can't be entra without STATUS_PAGE_GROUP: set that to the object ID of the allowed group")
        return page

    @field_validator("is_auth_on", mode="before")
    @classmethod
    def _is_true(cls, value: Any) -> bool:
        # Anything else counts as off, and must not stop backups.
        return value is True or (isinstance(value, str) and value.strip().lower() == "true")

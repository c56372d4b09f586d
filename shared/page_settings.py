"""The app settings of the status page: whether it is served, and to whom. No mistake in them stops backups."""

import re
from enum import StrEnum
from typing import Any

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

from shared.model.job import WHAT_TO_DO

_OBJECT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class StatusPage(StrEnum):
    """Who may look: nobody, members of a group whom Entra ID has signed in, or whoever has the function key."""

    OFF = "off"
    ENTRA = "entra"
    KEY = "key"


class PageSettings(BaseSettings):
    """The settings of the status page; by default nothing answers HTTP.

    `status_page` and `status_page_group` are what is set, right or wrong; `page` is what follows from it. `is_auth_on`
    is what the platform says of App Service Authentication (Environment variables and app settings in Azure App
    Service).
    """

    status_page: str = str(StatusPage.OFF)
    status_page_group: str = ""
    is_auth_on: bool = Field(default=False, validation_alias="WEBSITE_AUTH_ENABLED")

    @field_validator("status_page", "status_page_group", mode="after")
    @classmethod
    def _trim(cls, value: str) -> str:
        return value.strip().lower()

    @field_validator("is_auth_on", mode="before")
    @classmethod
    def _is_true(cls, value: Any) -> bool:
        # Anything else counts as off, and must not stop backups.
        return value is True or (isinstance(value, str) and value.strip().lower() == "true")

    @property
    def page(self) -> StatusPage:
        """Who may look; nobody where a mistake leaves that open."""
        return StatusPage.OFF if self.page_problem else StatusPage(self.status_page or StatusPage.OFF)

    @property
    def page_problem(self) -> str:
        """Why the page is not served though it is turned on, and what to do; empty if it is served, or off.

        It does not repeat what is set, which may be a reference to a secret that does not resolve.
        """
        if self.status_page and self.status_page not in set(StatusPage):
            return f"STATUS_PAGE is not off, entra or key, so the page is off. {WHAT_TO_DO}: set it to one of them"
        if self.status_page == StatusPage.ENTRA and not _OBJECT_ID.fullmatch(self.status_page_group):
            return (
                "STATUS_PAGE is entra, but STATUS_PAGE_GROUP is not the object ID of a group, so the page is off."
                f" {WHAT_TO_DO}: set it to the ID that `az ad group show --group NAME --query id` prints"
            )
        return ""

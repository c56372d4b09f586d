"""Who may look at the status page, by what the platform says of a request."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ValidationError

from shared.page_settings import StatusPage

PRINCIPAL = "x-ms-client-principal"
"""The header with the claims of whoever is signed in (Work with user identities in Azure App Service authentication).

The platform sets it, and takes off what a client sends, but only where its authentication is on.
"""

_KEY_PARAMETER = "code"
_GROUPS = "groups"
# What stands for the groups of somebody who is in too many of them (Configure group claims, groups overage claim).
_OVERAGE = {"hasgroups", "_claim_names"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered, and what to do; nothing of it is what the client sent."""

    status: HTTPStatus
    message: str


class _Claim(BaseModel):
    typ: str
    val: Any = None


class _Principal(BaseModel):
    auth_typ: str | None = None
    claims: list[_Claim] = []


def refusal(
    page: StatusPage, *, group: str, is_auth_on: bool, headers: Mapping[str, str], query: Mapping[str, str]
) -> Refusal | None:
    """Return why a request is refused; None if whoever sends it may look.

    With `key`, the platform has compared the key before.

    Args:
        page: the setting.
        group: the object ID of the allowed group, in lower case.
        is_auth_on: whether the platform says that App Service Authentication is on.
        headers: the request's headers, with any case of their names.
        query: the parameters of its query.
    """
    if page is StatusPage.OFF:
        return Refusal(HTTPStatus.NOT_FOUND, "STATUS_PAGE is off.")
    # The platform takes a key from either, whatever the case; what is in a URL ends up in logs and histories.
    if any(name.lower() == _KEY_PARAMETER for name in query):
        return Refusal(
            HTTPStatus.BAD_REQUEST,
            "A key in the URL is not accepted, as URLs end up in logs. What to do: send it in the header"
            " x-functions-key, and renew this one: az functionapp keys set.",
        )
    return None if page is StatusPage.KEY else _refusal_by_group(group, is_auth_on=is_auth_on, headers=headers)


def _refusal_by_group(group: str, *, is_auth_on: bool, headers: Mapping[str, str]) -> Refusal | None:
    if not is_auth_on:
        return _forbidden(
            "App Service Authentication is off, so nobody can tell who asks. What to do: deploy with statusPage=entra,"
            " or turn it on for this app; until then use `tidemark status --html FILE`."
        )
    claims = _claims(headers)
    if claims is None:
        return _forbidden(
            "Nobody is signed in with Microsoft Entra ID. What to do: have App Service Authentication require a"
            " sign-in, with Microsoft as its identity provider."
        )
    if group and any(claim.typ == _GROUPS and str(claim.val).lower() == group for claim in claims):
        return None
    if any(claim.typ in _OVERAGE for claim in claims) and not any(claim.typ == _GROUPS for claim in claims):
        return _forbidden(
            "You are in more groups than a sign-in lists. What to do: have the app registration list only groups that"
            " are assigned to the application (Token configuration, groups claim), and assign it the group of"
            " STATUS_PAGE_GROUP."
        )
    return _forbidden(
        "You are not in the group of STATUS_PAGE_GROUP. What to do: have its owner add you, and sign in again; if you"
        " are in it, have the app registration list security groups in its ID tokens (Token configuration)."
    )


def _claims(headers: Mapping[str, str]) -> list[_Claim] | None:
    """Return the claims of the user whom Entra ID has signed in; None if there is none that can be read."""
    found = [value for name, value in headers.items() if name.lower() == PRINCIPAL]
    if len(found) != 1:
        return None
    try:
        principal = _Principal.model_validate(json.loads(base64.b64decode(found[0], validate=True)))
    except (binascii.Error, ValidationError, ValueError, RecursionError):
        return None
    return principal.claims if principal.auth_typ == "aad" else None


def _forbidden(message: str) -> Refusal:
    return Refusal(HTTPStatus.FORBIDDEN, message)

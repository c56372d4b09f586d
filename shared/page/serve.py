"""Serves the status page: to whoever may look, and whatever goes wrong, an answer that can be read."""

from collections.abc import Mapping
from http import HTTPStatus

from shared.azure.services import OpenServices
from shared.errors import without_secrets
from shared.events import Event, log_event
from shared.page.answer import Answered, Asked, answer, problem
from shared.page.who_may_look import refusal
from shared.page_settings import PageSettings

_FAILED = (
    "something went wrong. What to do: look for the event page-failed in the app's logs; meanwhile use tidemark status"
)


async def serve(
    open_services: OpenServices,
    settings: PageSettings,
    path: str,
    *,
    headers: Mapping[str, str],
    query: Mapping[str, str],
) -> Answered:
    """Answer a request, and say so where it is refused or something fails.

    Args:
        open_services: opens the services, which a request that is refused does not need.
        settings: who may look.
        path: `status`, `status.json` or `metrics`.
        headers: the request's headers.
        query: the parameters of its query.
    """
    refused = refusal(
        settings.page,
        group=settings.status_page_group,
        is_auth_on=settings.is_auth_on,
        headers=headers,
        query=query,
    )
    accept = next((value for name, value in headers.items() if name.lower() == "accept"), "")
    asked = Asked(path=path, accept=accept, query=query)
    if refused is not None:
        log_event(Event.PAGE_REFUSED, path=path, reason=refused.message)
        return problem(asked, refused.status, "The page is not shown to you", refused.message)
    try:
        async with open_services() as services:
            return await answer(services, asked)
    except Exception as error:  # noqa: BLE001 - what it says may be a secret: it is for the log, masked, and no page
        log_event(Event.PAGE_FAILED, path=path, error=type(error).__name__, reason=without_secrets(str(error)))
        return problem(asked, HTTPStatus.INTERNAL_SERVER_ERROR, "The page could not be made", _FAILED)

"""HTTP, for people and scrapers: the status page, the same as JSON, and as metrics. Nothing is done by a request."""

import azure.functions as func

from shared.azure.services import OpenServices
from shared.page.answer import Answered
from shared.page.serve import serve
from shared.page_settings import PageSettings, StatusPage

_METHODS = ["GET", "HEAD"]


def show_status_blueprint(open_services: OpenServices, settings: PageSettings) -> func.Blueprint:
    """Register `show_status`, `show_status_json` and `show_metrics`.

    Args:
        open_services: opens the services of an invocation.
        settings: who may look; without a key, App Service Authentication has asked who it is.
    """
    blueprint = func.Blueprint()
    level = func.AuthLevel.ANONYMOUS if settings.page is StatusPage.ENTRA else func.AuthLevel.FUNCTION

    async def answered(path: str, request: func.HttpRequest) -> func.HttpResponse:
        return _response(await serve(open_services, settings, path, headers=request.headers, query=request.params))

    @blueprint.route("status", trigger_arg_name="request", methods=_METHODS, auth_level=level)
    async def show_status(request: func.HttpRequest) -> func.HttpResponse:
        """Answer with the page, or with JSON where the client prefers it."""
        return await answered("status", request)

    @blueprint.route("status.json", trigger_arg_name="request", methods=_METHODS, auth_level=level)
    async def show_status_json(request: func.HttpRequest) -> func.HttpResponse:
        """Answer with JSON."""
        return await answered("status.json", request)

    @blueprint.route("metrics", trigger_arg_name="request", methods=_METHODS, auth_level=level)
    async def show_metrics(request: func.HttpRequest) -> func.HttpResponse:
        """Answer with Prometheus' text."""
        return await answered("metrics", request)

    return blueprint


def _response(answered: Answered) -> func.HttpResponse:
    return func.HttpResponse(answered.body, status_code=answered.status, headers=dict(answered.headers))

"""A blueprint of functions that answer HTTP."""

import json

import azure.functions as func
from evidence import leave  # type: ignore[import-not-found]  # found in the app's folder, by the host

pages = func.Blueprint()
ANONYMOUS = func.AuthLevel.ANONYMOUS
PICTURE = bytes(range(256))


@pages.route(route="echo", methods=["GET", "HEAD", "POST"], auth_level=ANONYMOUS)
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    """Answer what was asked."""
    leave("echo", "ran", method=req.method)
    asked = {
        "method": req.method,
        "url": req.url,
        "headers": dict(req.headers),
        "query": dict(req.params),
        "body": req.get_body().hex(),
    }
    headers = {"Cache-Control": "no-store", "X-Twice": "one, two"}
    return func.HttpResponse(json.dumps(asked), mimetype="application/json", headers=headers, status_code=203)


@pages.route(methods=["GET"])
def keyed(req: func.HttpRequest) -> str:
    """Need a function key, which is the default."""
    leave("keyed", "ran", method=req.method)
    return "open"


@pages.route(route="for-admins", auth_level=func.AuthLevel.ADMIN)
def for_admins(req: func.HttpRequest) -> str:
    return f"open to {req.method}"


@pages.route(route="picture", auth_level=ANONYMOUS)
def picture(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(PICTURE[:: -1 if req.params.get("reversed") else 1], mimetype="image/png")


@pages.route(route="plain", auth_level=ANONYMOUS)
def plain(req: func.HttpRequest) -> str:
    return f"a text with ümlauts by {req.method}"


@pages.route(route="silent", auth_level=ANONYMOUS)
def silent(req: func.HttpRequest) -> func.HttpResponse:
    leave("silent", "ran", method=req.method)
    return None  # type: ignore[return-value]  # what happens then is tested


@pages.route(route="broken", auth_level=ANONYMOUS)
def broken(req: func.HttpRequest) -> str:
    raise ValueError(f"the secret of {req.method}")


@pages.route(route="disks/{disk}/{point?}", auth_level=ANONYMOUS)
def any_disk(req: func.HttpRequest) -> str:
    return json.dumps(dict(req.route_params))


@pages.route(route="disks/first", auth_level=ANONYMOUS)
def one_disk(req: func.HttpRequest) -> str:
    return f"the first, by {req.method}"


@pages.route(route="files/{*path}", auth_level=ANONYMOUS)
def files(req: func.HttpRequest) -> str:
    return json.dumps(dict(req.route_params))

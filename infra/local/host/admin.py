"""The admin API, as far as the project needs it: start a function by name, list functions, read the host's state.

One route is specific to this host: `POST /admin/queues/NAME` makes the host poll a queue immediately.
"""

from collections.abc import Mapping
from dataclasses import asdict
from http import HTTPStatus
from json import JSONDecodeError

from aiohttp import web

from infra.local.host.bindings import Function
from infra.local.host.http import LONGEST_BODY, HttpTriggers
from infra.local.host.invocations import Invocations
from infra.local.host.queues import QueueListener
from infra.local.host.sends import Sends
from infra.local.host.timer import TimerListener


class Admin:
    """Answers the admin API's requests, without a key, as it listens on this machine only; others go to `http`."""

    def __init__(
        self,
        listeners: Mapping[str, QueueListener | TimerListener],
        functions: list[Function],
        invocations: Invocations,
        sends: Sends,
        http: HttpTriggers,
    ) -> None:
        self._listeners = listeners
        self._functions = functions
        self._invocations = invocations
        self._sends = sends
        self._http = http

    def application(self) -> web.Application:
        """Return the application with its routes."""
        application = web.Application(client_max_size=LONGEST_BODY)
        application.add_routes(
            [
                web.get("/admin/functions", self._list),
                web.get("/admin/host/status", self._status),
                web.post("/admin/functions/{name}", self._start),
                web.post("/admin/queues/{name}", self._poll),
            ]
        )
        self._http.add_to(application)
        return application

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response([{"name": f.name, "trigger": f.trigger.type} for f in self._functions])

    async def _status(self, _request: web.Request) -> web.Response:
        tallies = {name: asdict(tally) for name, tally in self._invocations.tallies.items()}
        return web.json_response({"state": "Running", "inFlight": self._invocations.in_flight, "invocations": tallies})

    async def _start(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        listener = self._listeners.get(name)
        if listener is None:
            return web.Response(status=HTTPStatus.NOT_FOUND, text=f"No function {name} with a timer or a queue.")
        try:
            body = await request.json()
        except JSONDecodeError:
            body = None
        if not isinstance(body, dict) or not isinstance(text := body.get("input", ""), str):
            return web.Response(status=HTTPStatus.BAD_REQUEST, text='The body must be {"input": "..."}.')
        work = listener.start_by_admin(text) if isinstance(listener, QueueListener) else listener.start_by_admin()
        self._invocations.begin(work)
        return web.Response(status=HTTPStatus.ACCEPTED)

    async def _poll(self, request: web.Request) -> web.Response:
        self._sends.notify(request.match_info["name"], 0)
        return web.Response(status=HTTPStatus.ACCEPTED)

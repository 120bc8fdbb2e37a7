"""Management app: the Quart app on the management listener: API, web UI, metrics, and our own commands."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from quart import Response, request
from quart_trio import QuartTrio
from quart_trio.wrappers.request import TrioRequest
from werkzeug.exceptions import HTTPException

from signal_actor import control
from signal_actor.errors import Conflict, Refusal, SignalError, UsageError
from signal_actor.management import api, doorman, metrics, pages, routes, sessions
from signal_actor.management.office import Office
from signal_actor.management.pages.desk import html
from signal_actor.management.routes import json_response
from signal_actor.server.proxies import Networks, seen_through

Execute = Callable[[str, dict[str, Any]], Awaitable[Any]]

MAX_COMMAND = 64 * 1024 * 1024  # bytes: a piece of an import
MAX_LOGIN = 16 * 1024  # bytes: anybody may send one, and reading a form takes time
CODES = {404: "not_found", 405: "method_not_allowed", 413: "payload_too_large", 415: "unsupported_encoding"}
HEADERS = {
    # Event data comes from strangers: no script, style or frame but our own, and no request leaves for anywhere else.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
        " font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",  # a login link's address holds a secret
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",  # it is people's data; what says otherwise is public
}
BOUNDS = {control.PATH: MAX_COMMAND, "/login": MAX_LOGIN, "/logout": MAX_LOGIN}


class BoundedRequest(TrioRequest):
    """A request whose body is bounded before anybody looks at it. Only our own commands may send much."""

    def __init__(self, method: str, scheme: str, path: str, *args: Any, **kwargs: Any) -> None:
        kwargs["max_content_length"] = BOUNDS.get(path.rstrip("/"), routes.MAX_BODY)
        super().__init__(method, scheme, path, *args, **kwargs)


class App(QuartTrio):
    """Quart with our bounds, behind proxies that may be trusted."""

    request_class = BoundedRequest
    trusted: Networks = ()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await super().__call__(seen_through(scope, self.trusted), receive, send)


def app(office: Office, execute: Execute, secret: Callable[[], str]) -> App:
    """The app. `execute` runs a control verb in the service; `secret` proves that the data directory's owner asks."""
    quart = App(__name__, static_folder=None)
    quart.url_map.strict_slashes = False
    quart.url_map.merge_slashes = False
    quart.register_blueprint(api.blueprint(office))
    quart.register_blueprint(sessions.blueprint(office))
    quart.register_blueprint(pages.blueprint(office))

    @quart.get("/healthz")
    async def healthz() -> Response:
        return json_response(200, {"status": "ok"})

    @quart.get("/metrics")
    async def prometheus() -> Response:
        return Response(await metrics.scrape(office), content_type=metrics.CONTENT_TYPE)

    @quart.post(control.PATH)
    async def command() -> Response:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), secret().encode()):
            raise Refusal(401, "unauthorized", "This endpoint is for signal-actor's own commands.")
        asked = await request.get_json(force=True)
        return json_response(200, {"value": await execute(asked["verb"], asked["arguments"])})

    @quart.before_request
    async def watched() -> None:
        doorman.check(request.scope, quart.trusted, api=f"{routes.PREFIX}/")

    @quart.after_request
    async def guarded(response: Response) -> Response:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    _answer_errors(quart)
    return quart


def _answer_errors(quart: App) -> None:
    """Every error has the contract's shape."""

    @quart.errorhandler(Refusal)
    async def refused(error: Refusal) -> Response:
        answer = _error(error.status, error.code, error.message)
        if error.retry_after is not None:
            answer.headers["Retry-After"] = str(error.retry_after)
        if error.status == 401:
            answer.headers["WWW-Authenticate"] = "Bearer"
        return answer

    @quart.errorhandler(UsageError)
    async def wrong(error: UsageError) -> Response:
        if isinstance(error, Conflict):
            return _error(409, "conflict", str(error))
        return _error(400, "invalid_payload", str(error))

    @quart.errorhandler(SignalError)
    async def unable(error: SignalError) -> Response:
        answer = _error(503, "overloaded", str(error))
        answer.headers["Retry-After"] = "1"
        return answer

    @quart.errorhandler(HTTPException)
    async def http_error(error: HTTPException) -> Response:
        status = error.code or 500
        answer = _error(status, CODES.get(status, "invalid_payload"), f"{request.method} {request.path}: {error.name}.")
        if status == 405:
            answer.headers["Allow"] = ", ".join(sorted(getattr(error, "valid_methods", None) or []))
        return answer

    @quart.errorhandler(Exception)
    async def failure(error: Exception) -> Response:
        structlog.get_logger().error("management.failed", path=request.path, exc_info=error)
        return _error(500, "internal_error", "Something went wrong here. Try again.")


def _error(status: int, code: str, message: str) -> Response:
    """In the contract's shape; for a person at a browser as a page."""
    if "text/html" in request.headers.get("Accept", "") and not request.path.startswith(f"{routes.PREFIX}/"):
        return html(status, pages.stray_page(status, message))
    return json_response(status, {"error": code, "code": code, "message": message})

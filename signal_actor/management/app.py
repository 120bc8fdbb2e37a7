"""Management app: the Quart app on the management listener."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from signal_actor import control
from signal_actor.errors import Refusal, SignalError, UsageError
from signal_actor.wire import dumps

Execute = Callable[[str, dict[str, Any]], Awaitable[Any]]

MAX_BODY = 64 * 1024 * 1024  # bytes: a piece of an import


def app(execute: Execute, secret: Callable[[], str]) -> QuartTrio:
    """The app. `execute` runs a control verb in the service; `secret` proves that the data directory's owner asks."""
    quart = QuartTrio(__name__, static_folder=None)
    quart.config["MAX_CONTENT_LENGTH"] = MAX_BODY

    @quart.get("/healthz")
    async def healthz() -> Response:
        return _json(200, {"status": "ok"})

    @quart.post(control.PATH)
    async def command() -> Response:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not hmac.compare_digest(given.encode(), secret().encode()):
            raise Refusal(401, "unauthorised", "This endpoint is for signal-actor's own commands.")
        asked = await request.get_json(force=True)
        return _json(200, {"value": await execute(asked["verb"], asked["arguments"])})

    @quart.errorhandler(Refusal)
    async def refused(error: Refusal) -> Response:
        return _error(error.status, error.code, error.message)

    @quart.errorhandler(UsageError)
    async def wrong(error: UsageError) -> Response:
        return _error(400, "usage", str(error))

    @quart.errorhandler(SignalError)
    async def unable(error: SignalError) -> Response:
        return _error(503, "overloaded", str(error))

    @quart.errorhandler(HTTPException)
    async def http_error(error: HTTPException) -> Response:
        codes = {404: "not_found", 405: "method_not_allowed", 413: "payload_too_large"}
        status = error.code or 500
        return _error(status, codes.get(status, "invalid_payload"), f"{request.method} {request.path}: {error.name}.")

    @quart.errorhandler(Exception)
    async def failure(error: Exception) -> Response:
        quart.logger.error("%s", error, exc_info=error)
        return _error(500, "internal_error", "Something went wrong here. Try again.")

    return quart


def _error(status: int, code: str, message: str) -> Response:
    return _json(status, {"error": code, "code": code, "message": message})


def _json(status: int, value: Any) -> Response:
    return Response(dumps(value), status, content_type="application/json")

"""Pages: what the public listener offers besides taking events: health, readiness, and errors in the house's shape."""

from collections.abc import Awaitable, Callable

import trio
from quart import Blueprint, Response, request
from quart_trio import QuartTrio
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException

from signal_actor.errors import Refusal, StorageError
from signal_actor.ingest.answers import Answer, json_answer, refusal, with_cors

CODES = {404: "not_found", 405: "method_not_allowed", 413: "payload_too_large"}
PROBE_SECONDS = 2.0  # how long the write probe of /readyz may take


def pages(
    probe: Callable[[], Awaitable[None]],
    refusing: Callable[[], str | None],
    alarms: Callable[[], list[str]],
    *more: Blueprint,
) -> QuartTrio:
    """The Quart app.

    `probe` writes to the database for real, `refusing` says what else keeps us from taking events, and `alarms` what is
    wrong although we do.
    """
    app = QuartTrio(__name__, static_folder=None)
    app.url_map.strict_slashes = False  # a redirect loses events
    app.url_map.redirect_defaults = False
    app.url_map.merge_slashes = False
    for blueprint in more:
        app.register_blueprint(blueprint)

    @app.get("/healthz")
    async def healthz() -> Response:
        return response(json_answer(200, {"status": "ok"}))

    @app.get("/readyz")
    async def readyz() -> Response:
        cause = refusing()
        if cause is None:
            try:
                with trio.fail_after(PROBE_SECONDS):
                    await probe()
            except trio.TooSlowError:
                cause = f"the database did not take a write within {PROBE_SECONDS:g} s"
            except StorageError as error:
                cause = str(error)
        if cause is None:
            return response(json_answer(200, {"status": "ready", "degraded": alarms()}))
        return response(refusal(Refusal(503, "overloaded", f"Not ready: {cause}.", retry_after=5)))

    @app.errorhandler(HTTPException)
    async def http_error(error: HTTPException) -> Response:
        status = error.code or 500
        message = f"{request.method} {request.path}: {error.name}."
        answer = refusal(Refusal(status, CODES.get(status, "invalid_payload"), message))
        allowed = sorted(getattr(error, "valid_methods", None) or ())
        return response(answer.adding((b"allow", ", ".join(allowed).encode())) if allowed else answer)

    @app.errorhandler(Exception)
    async def failure(error: Exception) -> Response:
        app.logger.error("%s", error, exc_info=error)
        return response(refusal(Refusal(500, "internal_error", "Something went wrong here. Try again.")))

    return app


def response(answer: Answer) -> Response:
    """An answer as Quart's response, with CORS."""
    answered = with_cors(answer, request.headers.get("Origin"))
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in answered.headers]
    return Response(answered.body, answered.status, headers=Headers(headers))

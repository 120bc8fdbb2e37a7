"""Door: the ASGI callable in front of everything public. Events are answered here; the rest is the Quart app's."""

from collections.abc import Callable
from typing import Any

import structlog
from hypercorn.typing import ASGIFramework, ASGISendCallable, HTTPResponseStartEvent

from signal_actor.errors import Refusal
from signal_actor.ingest.acceptance import Acceptance, Endpoint
from signal_actor.ingest.answers import Answer, preflight, refusal, with_cors
from signal_actor.ingest.request import Disconnected, Networks, Request

Send = ASGISendCallable
App = ASGIFramework

BATCH = Endpoint(None, batch=True, server=True)
LETTERS = {"t": "track", "p": "page", "i": "identify", "g": "group"}

# The documents' four browser endpoints, and what the public SDKs post to.
ENDPOINTS: dict[str, Endpoint] = {
    **{f"/v1/{letter}": Endpoint(kind) for letter, kind in LETTERS.items()},
    **{f"/v1/{letter}": Endpoint(kind, server=True) for letter, kind in (("a", "alias"), ("s", "screen"))},
    **{
        f"{prefix}/{kind}": Endpoint(kind, server=True)
        for prefix in ("/v1", "/api/s")
        for kind in (*LETTERS.values(), "alias", "screen")
    },
    "/v1/b": BATCH,
    "/v1/batch": BATCH,
    "/beacon/v1/batch": BATCH,
}


class Door:
    """Answers events, preflights and refusals itself, without a framework's detours."""

    def __init__(self, acceptance: Acceptance, pages: App, *, trusted: Networks = ()) -> None:
        self._acceptance = acceptance
        self._pages = pages
        self._trusted = trusted
        self.refused: Callable[[str], None] = lambda code: None

    async def __call__(self, scope: Any, receive: Any, send: Send) -> None:
        if scope["type"] != "http":
            await self._pages(scope, receive, send)
            return
        request = Request(scope, self._trusted)
        endpoint = ENDPOINTS.get(request.path.replace("//", "/").rstrip("/"))  # hosts are configured with a slash, too
        if request.method == "OPTIONS":
            await _reply(send, self._preflight(request, endpoint))
        elif endpoint is not None:
            try:
                answer = await self._answer(endpoint, request, receive)
            except Disconnected:
                return
            await _reply(send, with_cors(answer, _echoed(request)))
        elif request.has_host:
            await self._pages(scope, receive, send)
        else:  # Quart would fail on it before it has anything that handles failures
            error = Refusal(400, "invalid_payload", "Host: is no host.")
            await _reply(send, with_cors(refusal(error), _echoed(request)))

    async def _answer(self, endpoint: Endpoint, request: Request, receive: Any) -> Answer:
        try:
            if request.method != "POST":
                raise Refusal(405, "method_not_allowed", f"{request.path} takes POST.")
            return await self._acceptance.take(endpoint, request, receive)
        except Refusal as error:
            self.refused(error.code)
            answer = refusal(error)
            return answer.adding((b"allow", b"POST, OPTIONS")) if error.status == 405 else answer
        except Disconnected:
            raise
        except Exception:
            structlog.get_logger().exception("ingest.failed", path=request.path)
            self.refused("internal_error")
            return refusal(Refusal(500, "internal_error", "Something went wrong here; nothing was stored. Try again."))

    def _preflight(self, request: Request, endpoint: Endpoint | None) -> Answer:
        """A preflight carries no key, so any origin that some pipeline allows will do; the POST is what is checked."""
        origin = request.origin
        pipelines = self._acceptance.live.pipelines.values()
        if origin is None or not any(pipeline.settings.admits(origin) for pipeline in pipelines):
            error = Refusal(403, "origin_not_allowed", f"No pipeline allows the origin {(origin or '(none)')[:200]}.")
            return with_cors(refusal(error), None)
        return preflight(origin, "POST, OPTIONS" if endpoint else "GET, POST, OPTIONS")


def _echoed(request: Request) -> str | None:
    origin = request.origin
    return origin if origin is not None and len(origin) < 300 and origin.isprintable() else None


async def _reply(send: Send, answer: Answer) -> None:
    start: HTTPResponseStartEvent = {
        "type": "http.response.start",
        "status": answer.status,
        "headers": answer.headers,
    }
    await send(start)
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})

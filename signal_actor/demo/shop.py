"""Shop: the web server of a small shop. Its pages use datafly.js as any customer's would, under a strict policy.

Beside them it tells what happened to the events, and lets a visitor trip one of the vendors up.
"""

import base64
import hashlib
from html import escape
from importlib.resources import files
from urllib.parse import urlsplit

from quart import Quart, Response, request
from quart_trio import QuartTrio

from signal_actor.demo.happened import Happened
from signal_actor.ingest.datafly.bundle import stub
from signal_actor.sandbox import Sandbox
from signal_actor.wire import dumps

PAGES = ("/", "/p/<path:product>", "/cart", "/checkout", "/thanks", "/login")
TRIPPED = 503  # what a vendor says while it is down


def shop(data_host: str, key: str, happened: Happened, sandbox: Sandbox) -> Quart:
    """The app. `data_host` is where datafly.js comes from and where events go."""
    root = files(__package__).joinpath("site")
    quart = QuartTrio(__name__, static_folder=str(root), static_url_path="/site")
    early = stub()
    page = root.joinpath("index.html").read_text(encoding="utf-8")
    for name, value in {"HOST": escape(data_host), "KEY": escape(key), "STUB": early}.items():
        page = page.replace(f"[[{name}]]", value)
    policy = content_policy(data_host, early)

    async def show(**_: str) -> Response:
        return Response(page, content_type="text/html; charset=utf-8")

    for path in PAGES:
        quart.add_url_rule(path, view_func=show, endpoint=path)

    @quart.get("/happened")
    async def newest() -> Response:
        return _json({"events": happened.newest(), "tripped": _tripped(sandbox)})

    @quart.get("/happened/<int:event>")
    async def story(event: int) -> Response:
        return _json(happened.story(event))

    @quart.post("/trip/<vendor>")
    async def trip(vendor: str) -> Response:
        """Down, or up again. Only our own pages may, which is what the origin proves."""
        fake = sandbox.vendors.get(vendor)
        if fake is None or urlsplit(request.headers.get("Origin", "")).netloc != request.host:
            return Response("Not from there.", 403)
        down = not fake.faults.pending
        fake.faults.clear()
        if down:
            fake.faults.add(status=TRIPPED, times=None)
        return _json({"tripped": _tripped(sandbox)})

    @quart.after_request
    async def guarded(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return quart


def content_policy(data_host: str, inline: str) -> str:
    """Our own files and the data host; of inline scripts the stub alone."""
    digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'self' {data_host} 'sha256-{digest}'; connect-src 'self' {data_host};"
        " style-src 'self'; img-src 'self' data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none';"
        " require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _tripped(sandbox: Sandbox) -> dict[str, bool]:
    return {slug: bool(fake.faults.pending) for slug, fake in sandbox.vendors.items()}


def _json(value: object) -> Response:
    return Response(dumps(value), 200 if value is not None else 404, content_type="application/json")

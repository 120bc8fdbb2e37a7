"""Assets: style, scripts and pictures, read once at start and named after their content, so that caches keep them."""

from hashlib import blake2b
from importlib import resources
from mimetypes import guess_type
from typing import NamedTuple

from quart import Blueprint, Response, request

from signal_actor.errors import Refusal


class Asset(NamedTuple):
    body: bytes
    type: str
    version: str


TYPES = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}


def _read() -> dict[str, Asset]:
    found = {}
    for file in resources.files("signal_actor.management").joinpath("static").iterdir():
        body = file.read_bytes()
        kind = TYPES.get(file.name.rpartition(".")[2]) or guess_type(file.name)[0] or "application/octet-stream"
        found[file.name] = Asset(body, kind, blake2b(body, digest_size=6).hexdigest())
    return found


ASSETS = _read()


def address(name: str) -> str:
    """Where a file of ours is."""
    return f"/static/{name}?{ASSETS[name].version}"


def mount(routes: Blueprint) -> None:
    """Adds `/static/NAME`. Modules import each other without a version, so what has none is asked for again."""

    @routes.get("/static/<name>")
    async def static(name: str) -> Response:
        asset = ASSETS.get(name)
        if asset is None:
            raise Refusal(404, "not_found", f"There is no {name[:80]}.")
        tag = f'"{asset.version}"'
        lasting = request.query_string.decode() == asset.version
        headers = {"ETag": tag, "Cache-Control": "max-age=31536000, immutable" if lasting else "no-cache"}
        if request.headers.get("If-None-Match") == tag:
            return Response(b"", 304, headers=headers)
        return Response(asset.body, content_type=asset.type, headers=headers)

    @routes.get("/favicon.ico")
    async def favicon() -> Response:
        return Response(ASSETS["logo.svg"].body, content_type=ASSETS["logo.svg"].type)

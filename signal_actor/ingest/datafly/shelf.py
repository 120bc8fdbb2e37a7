"""Shelf: the datafly.js of this moment, built anew when a publication changes it, and all those of before.

    publish ──▶ put(live) ──bell──▶ run(): build in a thread ──▶ current ──▶ kept in the database by its hash

Until the first one is built, a fraction of a second after the start, requests for it wait.
"""

from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress

import structlog
import trio
from quart import Blueprint, Response, request
from werkzeug.datastructures import Headers

from signal_actor.database import Database, now_ms
from signal_actor.errors import Refusal, StorageError
from signal_actor.ingest.answers import refusal
from signal_actor.ingest.datafly.answer import DECLARATIONS, HASHED, PLAIN, answer
from signal_actor.ingest.datafly.bundle import SCRIPT_TYPE, Script, Settings, build, declarations, pack
from signal_actor.ingest.pages import response
from signal_actor.live import Live, PipelineSettings
from signal_actor.store import scripts

UNPACKED = 32  # scripts of before that stay in memory, a hundred kilobytes each

Table = Mapping[str, Settings]


class Shelf:
    """What there is to hand out. `run()` must run for anything to be."""

    def __init__(self, database: Database, live: Live) -> None:
        self._database = database
        self._wanted = table(live)
        self._bell = trio.Event()
        self._ready = trio.Event()
        self._current: Script
        self._declarations: Script
        self._before: OrderedDict[str, Script] = OrderedDict()

    def put(self, live: Live) -> None:
        """Takes what is published now."""
        self._wanted = table(live)
        self._bell.set()

    async def run(self) -> None:
        """Builds what is wanted, again and again."""
        self._declarations = await trio.to_thread.run_sync(declarations)
        built: Table | None = None
        while True:
            self._bell = trio.Event()
            if built != self._wanted:
                built = self._wanted
                self._current = await trio.to_thread.run_sync(build, built)
                self._ready.set()
                await self._keep(self._current)
            else:
                await self._bell.wait()

    async def answer(self, path: str, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes] | None:
        """Status, headers and body; None where there is nothing of that name."""
        await self._ready.wait()
        if (hashed := HASHED.fullmatch(path)) and hashed[1] != self._current.hash:
            await self._fetch(hashed[1])
        return answer(path, headers, self._current, self._declarations, self._before)

    async def _keep(self, script: Script) -> None:
        try:
            await self._database.run(scripts.keep, script.hash, script.plain, now=now_ms())
        except StorageError as error:  # it is handed out all the same, and kept after the next start
            structlog.get_logger().warning("datafly.not_kept", hash=script.hash, reason=str(error))

    async def _fetch(self, name: str) -> None:
        with suppress(KeyError):
            return self._before.move_to_end(name)
        text = self._database.read(scripts.find, name)
        if text is not None:
            self._before[name] = await trio.to_thread.run_sync(pack, text.decode(), SCRIPT_TYPE)
            while len(self._before) > UNPACKED:
                self._before.popitem(last=False)
        return None


def table(live: Live) -> Table:
    """What pages are told, by pipeline key. Keys whose pages do what the script does by itself are left out."""
    told = {key: settings(pipeline.settings) for key, pipeline in live.by_key.items()}
    return {key: said for key, said in told.items() if said != DEFAULTS}


def settings(pipeline: PipelineSettings) -> Settings:
    """A pipeline's browser settings in the script's words."""
    own = pipeline.browser
    return {
        "autoPage": own.auto_page,
        "batchSize": own.batch_size,
        "flushMs": own.flush_ms,
        "consent": own.consent or ("wait" if pipeline.default_consent == "denied" else "send"),
        "mirror": own.mirror,
    }


DEFAULTS = settings(PipelineSettings())


def datafly(shelf: Shelf) -> Blueprint:
    """The routes. Any page may load the script, so there is no CORS as for events."""
    blueprint = Blueprint("datafly", __name__)

    async def hand_out(**_: str) -> Response:
        asked = {name.lower(): value for name, value in request.headers.items()}
        found = await shelf.answer(request.path, asked)
        if found is None:
            return response(refusal(Refusal(404, "not_found", f"There is no {request.path}.")))
        status, headers, body = found
        handed = Response(body, status, headers=Headers(headers))
        if "Content-Type" not in headers:
            handed.headers.pop("Content-Type", None)  # Quart's, of a body that is not there
        return handed

    for path in (*PLAIN, DECLARATIONS, "/datafly.<name>.js"):
        blueprint.add_url_rule(path, view_func=hand_out, endpoint=path.replace(".", "_").strip("/"), methods=["GET"])
    return blueprint

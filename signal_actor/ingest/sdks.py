"""SDKs: what the browser SDKs of Segment and RudderStack ask for before they send anything.

Both ask their vendor's servers for settings unless told another host, and both talk to their vendor where the answer
leaves something out. So the answers name this host, switch the SDKs' own telemetry off and load nothing from anywhere.
A page that may not send gets none: it says so on its console at once, instead of trying each event for minutes.
"""

from collections.abc import Callable
from typing import Any

from quart import Blueprint, Response, request

from signal_actor.errors import Refusal
from signal_actor.ingest.acceptance import check_origin
from signal_actor.ingest.answers import json_answer, refusal
from signal_actor.ingest.pages import response
from signal_actor.ingest.request import Networks, Request
from signal_actor.live import Live, Pipeline

# Settings name the host that was asked for, so no cache that is shared may keep them for others.
CACHE = ("cache-control", "private, max-age=300")


def sdks(live: Callable[[], Live], trusted: Networks) -> Blueprint:
    """The bootstrap answers, for whoever knows a pipeline key."""
    blueprint = Blueprint("sdks", __name__)

    @blueprint.get("/v1/projects/<key>/settings")
    async def settings(key: str) -> Response:
        asked = Request(request.scope, trusted)
        pipeline = live().by_key.get(key)
        if pipeline is None:
            raise Refusal(404, "not_found", "No pipeline has this write key.")
        _admit(pipeline, asked)
        return _answer(segment(key, asked.public_address(), "https" if asked.is_https() else "http"))

    @blueprint.get("/sourceConfig")
    async def source_config() -> Response:
        asked = Request(request.scope, trusted)
        key = asked.header_key()
        pipeline = live().by_key.get(key or "")
        if pipeline is None:
            told = "The write key was not recognised." if key else "No write key: send it as the user name of Basic."
            raise Refusal(401, "invalid_pipeline_key", told)
        _admit(pipeline, asked)
        return _answer(rudderstack(pipeline))

    @blueprint.errorhandler(Refusal)
    async def refused(error: Refusal) -> Response:
        return response(refusal(error))

    return blueprint


def segment(key: str, address: str, protocol: str) -> dict[str, Any]:
    """What analytics-next takes for its project's settings. `address` is host, port and path prefix."""
    host = f"{address}/v1"
    return {
        "integrations": {"Segment.io": {"apiKey": key, "apiHost": host, "protocol": protocol}},
        "metrics": {"sampleRate": 0, "host": host},  # else counters of its own use go to api.segment.io
    }


def rudderstack(pipeline: Pipeline) -> dict[str, Any]:
    """What RudderStack's JavaScript SDK takes for its source's configuration. Delivery is ours: no destinations."""
    telemetry = {"errors": {"enabled": False}, "metrics": {"enabled": False}}
    return {
        "source": {
            "id": pipeline.slug,
            "name": pipeline.name,
            "enabled": True,
            "config": {"statsCollection": telemetry},
            "destinations": [],
        }
    }


def _admit(pipeline: Pipeline, asked: Request) -> None:
    if asked.origin is not None:
        check_origin(pipeline.settings, asked.origin)


def _answer(value: dict[str, Any]) -> Response:
    answered = response(json_answer(200, value))
    answered.headers.add(*CACHE)
    return answered

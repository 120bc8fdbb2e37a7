"""API: the Management API, one file a noun."""

from functools import cache
from typing import Any

from quart import Blueprint, Response

from signal_actor.management import openapi
from signal_actor.management.api.alarms import alarms
from signal_actor.management.api.audit import audit
from signal_actor.management.api.catalog import catalog
from signal_actor.management.api.deliveries import deliveries
from signal_actor.management.api.events import events
from signal_actor.management.api.forget import forget
from signal_actor.management.api.integrations import integrations
from signal_actor.management.api.live import live
from signal_actor.management.api.mappings import mappings
from signal_actor.management.api.pipelines import pipelines
from signal_actor.management.api.settings import settings
from signal_actor.management.api.stats import stats
from signal_actor.management.api.tokens import tokens
from signal_actor.management.office import Office
from signal_actor.management.routes import PREFIX, Noun, json_response, mount

NOUNS: list[Noun] = [
    *(catalog, integrations, mappings, pipelines),
    *(live, events, deliveries, stats, alarms),
    *(settings, audit, tokens, forget),
]


@cache
def document() -> dict[str, Any]:
    """What describes the API."""
    return openapi.document(NOUNS)


def blueprint(office: Office) -> Blueprint:
    """All endpoints below `/v1/admin`, and the document that describes them."""
    routes = mount(NOUNS, office)

    @routes.get(f"{PREFIX}/openapi.json")
    async def described() -> Response:
        return json_response(200, document())

    return routes

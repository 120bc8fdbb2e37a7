"""API: the Management API, one file a noun."""

from quart import Blueprint

from signal_actor.management.api.audit import audit
from signal_actor.management.api.catalog import catalog
from signal_actor.management.api.deliveries import deliveries
from signal_actor.management.api.events import events
from signal_actor.management.api.integrations import integrations
from signal_actor.management.api.mappings import mappings
from signal_actor.management.api.pipelines import pipelines
from signal_actor.management.api.stats import stats
from signal_actor.management.api.tokens import tokens
from signal_actor.management.office import Office
from signal_actor.management.routes import Noun, mount

NOUNS: list[Noun] = [catalog, integrations, mappings, pipelines, events, deliveries, stats, audit, tokens]


def blueprint(office: Office) -> Blueprint:
    """All endpoints below `/v1/admin`."""
    return mount(NOUNS, office)

"""API: the Management API, one file a noun."""

from quart import Blueprint

from signal_actor.management.api import tokens
from signal_actor.management.office import Office
from signal_actor.management.routes import Noun, mount

NOUNS: list[Noun] = [tokens.tokens]


def blueprint(office: Office) -> Blueprint:
    """All endpoints below `/v1/admin`."""
    return mount(NOUNS, office)

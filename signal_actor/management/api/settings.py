"""Settings: delivery defaults and retention of the whole service, and what it is."""

import sqlite3
from typing import Any

from pydantic import BaseModel, ConfigDict

from signal_actor import __version__
from signal_actor.live import DeliveryPolicy, Retention
from signal_actor.management.auth import Caller
from signal_actor.management.office import Office
from signal_actor.management.routes import Noun
from signal_actor.store import settings as store

settings = Noun("settings")


class Settings(BaseModel):
    """What is in force, and the versions of what runs."""

    delivery: DeliveryPolicy
    retention: Retention
    version: str
    sqlite_version: str


class SettingsPatch(BaseModel):
    """JSON merge patches of delivery defaults and retention; null brings a default back."""

    model_config = ConfigDict(extra="forbid")

    delivery: dict[str, Any] = {}
    retention: dict[str, Any] = {}


class Me(BaseModel):
    """Who asks."""

    name: str
    role: str


@settings.get("/settings")
async def current(office: Office) -> Settings:
    """Delivery defaults and retention."""
    return _shown(office)


@settings.patch("/settings", role="admin")
async def change(office: Office, caller: Caller, body: SettingsPatch) -> Settings:
    """Change delivery defaults and retention. A configuration file has the last word at the next start."""
    given = body.model_dump(exclude_unset=True)
    await office.change(_patch, given, author=caller.name, now=office.now())
    return _shown(office)


@settings.get("/me")
async def me(caller: Caller) -> Me:
    """Whose token this is."""
    return Me(name=caller.name, role=caller.role)


def _patch(connection: sqlite3.Connection, given: dict[str, Any], *, author: str, now: int) -> None:
    for name, model in (("delivery", DeliveryPolicy), ("retention", Retention)):
        if given.get(name):
            store.patch(connection, name, model, given[name], author=author, now=now)


def _shown(office: Office) -> Settings:
    return Settings(
        delivery=office.database.read(store.get, "delivery", DeliveryPolicy),
        retention=office.live().retention,
        version=__version__,
        sqlite_version=sqlite3.sqlite_version,
    )

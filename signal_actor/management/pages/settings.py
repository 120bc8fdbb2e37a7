"""Settings: what runs here, how long things are kept, and how patiently they are delivered."""

import platform
import sqlite3
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from quart import Response

from signal_actor.errors import ConfigurationError
from signal_actor.management.api.settings import SettingsPatch
from signal_actor.management.api.settings import change as change_settings
from signal_actor.management.api.settings import current as current_settings
from signal_actor.management.pages import forms
from signal_actor.management.pages.desk import Room, Visit
from signal_actor.store import upkeep

room = Room("settings")

PACKAGES = ("trio", "hypercorn", "quart-trio", "httpx", "pydantic", "cryptography")
RETENTION: forms.Fields = [
    {"key": key, "label": label, "type": "number", "required": None, "unit": unit, "help": about}
    for key, label, unit, about in (
        ("done_days", "Delivered and skipped events", "days", "So long they stay searchable."),
        ("dead_days", "Dead letters", "days", "So long they can be replayed."),
        ("dedupe_hours", "De-duplication", "hours", "So long a repeated messageId is recognised, at the least."),
        ("max_bytes", "Largest database file", "bytes", "Above it new events are refused with 503. 0: no bound."),
        ("min_free_bytes", "Free disk to keep", "bytes", "Below it new events are refused with 503."),
    )
]


@room.get("/settings")
async def about(visit: Visit) -> Response:
    database = visit.office.database
    files = [path for suffix in ("", "-wal") if (path := database.path.with_name(database.path.name + suffix)).exists()]
    return visit.show(
        "settings_about.html",
        tab="about",
        version=_version("signal-actor"),
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        packages=[(name, _version(name)) for name in PACKAGES],
        path=str(database.path),
        files=[(path.name, path.stat().st_size) for path in files],
        used=database.read(upkeep.used_bytes),
    )


@room.get("/settings/retention")
async def retention(visit: Visit) -> Response:
    return await _shown(visit, "retention", RETENTION)


@room.post("/settings/retention", role="admin")
async def keep(visit: Visit) -> Response:
    return await _save(visit, "retention", RETENTION)


@room.get("/settings/delivery")
async def delivery(visit: Visit) -> Response:
    return await _shown(visit, "delivery", forms.DELIVERY)


@room.post("/settings/delivery", role="admin")
async def deliver(visit: Visit) -> Response:
    return await _save(visit, "delivery", forms.DELIVERY)


async def _shown(
    visit: Visit, name: str, fields: forms.Fields, wrong: forms.Wrong | None = None, typed: Any = None
) -> Response:
    now = (await current_settings(visit.office)).model_dump(mode="json")[name]
    return visit.show(
        "settings_numbers.html",
        400 if wrong else 200,
        tab=name,
        fields=fields,
        values=typed or forms.texts(fields, now),
        wrong=wrong or forms.Wrong(),
    )


async def _save(visit: Visit, name: str, fields: forms.Fields) -> Response:
    patch = SettingsPatch.model_validate({name: forms.config(fields, visit.form, patch=True)})
    try:
        await change_settings(visit.office, visit.caller, patch)
    except ConfigurationError as error:
        wrong = forms.sorted_out(error, [each["key"] for each in fields])
        return await _shown(visit, name, fields, wrong, forms.typed(visit.form))
    return visit.go(f"/settings/{name}", "Saved and in force.")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"

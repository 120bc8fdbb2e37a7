"""Alarms: what is wrong now, and the rules that say so."""

from typing import Any

from quart import Response

from signal_actor.errors import ConfigurationError
from signal_actor.management.api.alarms import change as change_rules
from signal_actor.management.api.alarms import rules as current_rules
from signal_actor.management.pages import forms
from signal_actor.management.pages.desk import Room, Visit
from signal_actor.secrets import MASK

room = Room("settings")

FIELDS: forms.Fields = [
    {"key": key, "label": label, "type": kind, "required": None, "unit": unit, "help": about}
    for key, label, kind, unit, about in (
        (
            "success_rate",
            "Success rate below",
            "number",
            "",
            "Share of requests that a vendor took, from 0 to 1. 0: off.",
        ),
        ("success_rate_minutes", "Measured over", "number", "minutes", "The newest ones."),
        ("success_rate_requests", "With at least", "number", "requests", "Fewer say nothing."),
        ("backlog_seconds", "Backlog older than", "number", "seconds", "Something waits for longer. 0: off."),
        ("dead_letters", "Dead letters", "number", "an hour", "Of one integration. 0: off."),
        ("no_traffic_minutes", "No traffic for", "number", "minutes", "In a pipeline that had events. 0: off."),
        ("disk_free_bytes", "Free disk below", "number", "bytes", "0: off."),
        (
            "webhook",
            "Tell this address",
            "url",
            "",
            "Gets a POST with a sentence when an alarm begins and when it ends.",
        ),
    )
]


@room.get("/settings/alarms")
async def shown(visit: Visit) -> Response:
    return await _shown(visit)


@room.post("/settings/alarms", role="admin")
async def save(visit: Visit) -> Response:
    patch = forms.config(FIELDS, visit.form, patch=True)
    try:
        await change_rules(visit.office, visit.caller, patch)
    except ConfigurationError as error:
        wrong = forms.sorted_out(error, [each["key"] for each in FIELDS])
        return await _shown(visit, wrong, forms.typed(visit.form))
    return visit.go("/settings/alarms", "Saved. The rules hold from the next look on, a few seconds from now.")


async def _shown(visit: Visit, wrong: forms.Wrong | None = None, typed: Any = None) -> Response:
    now = (await current_rules(visit.office)).model_dump()
    return visit.show(
        "settings_alarms.html",
        400 if wrong else 200,
        tab="alarms",
        firing=visit.office.alarms.firing,
        fields=[{**each, "type": "string"} if now.get(each["key"]) == MASK else each for each in FIELDS],
        values=typed or forms.texts(FIELDS, now),
        wrong=wrong or forms.Wrong(),
    )

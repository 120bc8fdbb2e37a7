"""Integrations: mine, each with how it is doing, what to do about it, and what may be done to it."""

from typing import Any

from quart import Response

from signal_actor.consent import CATEGORIES
from signal_actor.destinations import form
from signal_actor.errors import ConfigurationError
from signal_actor.management.api.integrations import TestEvent
from signal_actor.management.api.integrations import change as change_integration
from signal_actor.management.api.integrations import test as send_test
from signal_actor.management.pages import forms, sight
from signal_actor.management.pages.desk import Room, Visit
from signal_actor.store import integrations, letters
from signal_actor.store.letters import Filter

room = Room("integrations")
NEWEST = 8


@room.get("/integrations")
async def mine(visit: Visit) -> Response:
    sights = await sight.everything(visit.office)
    troubled = [each for each in sights if each.health in ("misconfigured", "retrying") or each.backlog["dead"]]
    return visit.show("integrations.html", sights=sights, troubled=troubled)


@room.get("/integrations/<int:id>")
async def status(visit: Visit, id: int) -> Response:
    found = await sight.one(visit.office, id)
    wanted = Filter(integration_id=id)
    newest = await visit.office.database.search(letters.newest, wanted, limit=NEWEST)
    return visit.show(
        "integration.html",
        sight=found,
        newest=newest,
        last_words=next((item["last_error"] for item in newest if item["state"] == "dead"), None),
        now=visit.office.now(),
    )


@room.post("/integrations/<int:id>/pause")
async def pause(visit: Visit, id: int) -> Response:
    await visit.office.change(integrations.pause, id, **visit.author)
    return visit.go(f"/integrations/{id}", "Paused. Events wait and nothing is lost.")


@room.post("/integrations/<int:id>/resume")
async def resume(visit: Visit, id: int) -> Response:
    await visit.office.change(integrations.resume, id, **visit.author)
    return visit.go(f"/integrations/{id}", "Resumed. What waits is on its way.")


@room.post("/integrations/<int:id>/test")
async def test(visit: Visit, id: int) -> Response:
    found = await sight.served(visit.office, id)
    tested = await send_test(visit.office, visit.caller, id, TestEvent())
    status = tested.response["status"] if tested.response else None
    said = tested.response["body"] if tested.response else ""
    cause, remedy = sight.split_reason(found.vendor, tested.reason)
    advice = sight.advised(found.vendor, status, said)
    if not remedy and advice and tested.verdict != "delivered":
        remedy = advice.remedy
    return visit.show("integration_test.html", sight=found, tested=tested, answered=status, cause=cause, remedy=remedy)


@room.post("/integrations/<int:id>/remove")
async def remove(visit: Visit, id: int) -> Response:
    found = await sight.one(visit.office, id)
    await visit.office.change(integrations.remove_integration, id, **visit.author)
    return visit.go("/integrations", f"{found.name} is removed. It gets no new events.")


@room.get("/integrations/<int:id>/settings", role="editor")
async def settings(visit: Visit, id: int) -> Response:
    found = await sight.served(visit.office, id)
    table = found.shown.table
    values = {
        "name": table["name"],
        "variant": table["variant"],
        **forms.texts(form.fields(found.vendor), table["config"]),
        **forms.texts(forms.DELIVERY, table["delivery"]),
    }
    return _settings(visit, found, values, table["consent_categories"], table["enabled"], forms.Wrong())


@room.post("/integrations/<int:id>/settings")
async def save(visit: Visit, id: int) -> Response:
    found = await sight.served(visit.office, id)
    fields = form.fields(found.vendor)
    publish = visit.form.get("publish") != "later"
    patch = {
        "name": visit.form.get("name", "").strip() or None,
        "variant": visit.form.get("variant", "default"),
        "enabled": "enabled" in visit.form,
        "consent_categories": visit.form.getlist("consent"),
        "config": forms.config(fields, visit.form, patch=True),
        "delivery": forms.config(forms.DELIVERY, visit.form, patch=True),
        "mappings": found.shown.table["mappings"],
        "publish": publish,
    }
    try:
        await change_integration(visit.office, visit.caller, id, patch)
    except ConfigurationError as error:
        keys = ["name", "variant", *(each["key"] for each in [*fields, *forms.DELIVERY])]
        wrong = forms.sorted_out(error, keys)
        typed, consent = forms.typed(visit.form), visit.form.getlist("consent")
        return _settings(visit, found, typed, consent, "enabled" in visit.form, wrong)
    return visit.go(f"/integrations/{id}", "Saved and live." if publish else "Saved in the draft. Publish to go live.")


def _settings(
    visit: Visit, found: sight.Sight, values: dict[str, Any], consent: list[str], enabled: bool, wrong: forms.Wrong
) -> Response:
    return visit.show(
        "integration_settings.html",
        400 if wrong.fields or wrong.lines else 200,
        sight=found,
        fields=form.fields(found.vendor),
        delivery=forms.DELIVERY,
        categories=CATEGORIES,
        values=values,
        consent=consent,
        enabled=enabled,
        wrong=wrong,
    )

"""Field Mappings: what becomes of an event on its way to a vendor, edited rule by rule, tried before it is saved."""

import json
from typing import Any
from urllib.parse import quote

from quart import Response

from signal_actor import mapping
from signal_actor.converters import CONVERTERS
from signal_actor.errors import ConfigurationError, Refusal
from signal_actor.management.pages import rules, sight, trials
from signal_actor.management.pages.desk import Room, Visit
from signal_actor.management.pages.sight import Sight
from signal_actor.store import integrations
from signal_actor.store.ids import whole

room = Room("mappings")
ALL = "all"  # the preview of every sample instead of one
SPARE_ROWS = 2  # empty rows, for those without a script


@room.get("/mappings")
async def overview(visit: Visit) -> Response:
    sights = [each for each in await sight.everything(visit.office) if not each.missing]
    changed = {each.shown.id: sum(line.changed for line in rules.lines(*_documents(each))) for each in sights}
    return visit.show("mappings.html", sights=sights, changed=changed)


@room.get("/integrations/<int:id>/mappings")
async def listed(visit: Visit, id: int) -> Response:
    found = await sight.served(visit.office, id)
    return visit.show("mapping_rules.html", sight=found, lines=rules.lines(*_documents(found)))


@room.post("/integrations/<int:id>/mappings/add")
async def add(visit: Visit, id: int) -> Response:
    name = visit.form.get("event", "").strip()
    if not name:
        raise Refusal(400, "invalid_payload", "Give the event's name as your site sends it, such as Product Viewed.")
    return visit.go(_address(id, rules.TRACK + name))


@room.post("/integrations/<int:id>/mappings/revert")
async def revert(visit: Visit, id: int) -> Response:
    await _save(visit, id, {}, publish=True)
    return visit.go(f"/integrations/{id}/mappings", "All changes are taken back; the preset is in force.")


@room.get("/integrations/<int:id>/mappings/rule")
async def rule(visit: Visit, id: int) -> Response:
    found, key = await sight.served(visit.office, id), _key(visit)
    document, variant = _documents(found)
    return await _editor(visit, found, key, rules.of(document, key) or rules.of(variant, key) or {})


@room.post("/integrations/<int:id>/mappings/rule", role="viewer")
async def edited(visit: Visit, id: int) -> Response:
    """Previews and gives a row back its preset, for everybody; saves and reverts, for editors."""
    found, key = await sight.served(visit.office, id), _key(visit)
    document, variant = _documents(found)
    do = visit.form.get("do", "preview")
    if do != "preview" and not visit.caller.may("editor"):
        raise Refusal(403, "forbidden", "Changing mappings needs the role editor.")
    if do == "revert":
        wanted = rules.having(document, key, rules.of(variant, key))
        await _save(visit, id, rules.changes(variant, wanted), publish=True)
        return visit.go(f"/integrations/{id}/mappings", f"{rules.label(key)} is as in the preset again.")
    written = rules.read(visit.form, rules.of(variant, key))
    if target := visit.form.get("restore"):
        return await _editor(visit, found, key, rules.restored(written, rules.of(variant, key), target))
    changes = rules.changes(variant, rules.having(document, key, written))
    if do == "preview":
        return await _editor(visit, found, key, written, changes=changes, event=visit.form.get("event_id", ""))
    try:
        await _save(visit, id, changes, publish=do != "draft")
    except ConfigurationError as error:
        return await _editor(visit, found, key, written, wrong=str(error).splitlines())
    said = "saved in the draft. Publish to go live." if do == "draft" else "saved and live: the next event has it."
    return visit.go(f"/integrations/{id}/mappings", f"{rules.label(key)} is {said}")


async def _editor(
    visit: Visit,
    found: Sight,
    key: str,
    written: rules.Rule,
    *,
    changes: dict[str, Any] | None = None,
    event: str = "",
    wrong: list[str] | None = None,
) -> Response:
    document, variant = _documents(found)
    samples = await trials.samples(visit.office, found, document, key)
    ids = [sample["event_id"] for sample in samples]
    trial, many = None, None
    try:
        if changes is not None and event == ALL:
            many = await trials.many(visit.office, found.shown.id, ids, changes)
        elif changes is not None and (event_id := whole(event)) is not None:
            trial = await trials.one(visit.office, found.shown.id, event_id, changes)
    except ConfigurationError as error:
        wrong = str(error).splitlines()
    return visit.show(
        "mapping_rule.html",
        400 if wrong else 200,
        sight=found,
        key=key,
        label=rules.label(key),
        rule=written,
        before=rules.of(variant, key),
        changed=any(line.changed for line in rules.lines(document, variant) if line.key == key),
        rows=rules.rows(written, rules.of(variant, key)),
        spare=SPARE_ROWS,
        converters=list(CONVERTERS),
        samples=samples,
        chosen=event,
        all=ALL,
        trial=trial,
        many=many,
        wrong=wrong or [],
    )


async def _save(visit: Visit, id: int, changes: dict[str, Any], *, publish: bool) -> None:
    await visit.office.change(
        integrations.patch_integration,
        id,
        {"mappings": changes},
        visit.office.box,
        publish=publish,
        **visit.author,
    )


def _documents(found: Sight) -> tuple[dict[str, Any], dict[str, Any]]:
    """The mapping document with the integration's changes, and the variant's own."""
    table = found.shown.table
    variant = dict(found.vendor.variants.get(table["variant"], {}))
    return mapping.merge(variant, table["mappings"]), variant


def _key(visit: Visit) -> str:
    key = visit.args.get("key", "")
    if not rules.known(key):
        raise Refusal(404, "not_found", f"There is no rule {json.dumps(key[:80])}.")
    return key


def _address(id: int, key: str) -> str:
    return f"/integrations/{id}/mappings/rule?key={quote(key, safe='')}"

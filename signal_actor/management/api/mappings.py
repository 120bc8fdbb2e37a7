"""Mappings: how an integration's events become the vendor's, edited as data and tried without sending anything.

`mappings` is the variant's document with the integration's changes, where a null stands for what was taken out. What
is put is laid over the variant in the same way, so the document as it was got, a part of it, and the changes alone
all mean what they say.
"""

import json
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, StrictBool

from signal_actor import event, mapping
from signal_actor.converters import CONVERTERS
from signal_actor.destinations.registry import destinations
from signal_actor.errors import Refusal
from signal_actor.management.auth import Caller
from signal_actor.management.office import Office
from signal_actor.management.routes import Id, Noun
from signal_actor.store import events, identities, installed
from signal_actor.store import integrations as store
from signal_actor.wire import dumps

mappings = Noun("mappings")


class Mappings(BaseModel):
    """`mappings` is in force (null: taken out), `default` is the variant's own, `changes` is the difference."""

    vendor: str
    variant: str
    mappings: dict[str, Any]
    changes: dict[str, Any]
    default: dict[str, Any]
    converters: list[str]


class NewMappings(BaseModel):
    """Mappings that replace the ones before. With `publish` false they wait in the pipeline's draft."""

    model_config = ConfigDict(extra="forbid")

    mappings: dict[str, Any]
    publish: StrictBool = True


class PreviewOf(BaseModel):
    """An event, or a stored event's id; and mappings to try in the place of those that are saved."""

    model_config = ConfigDict(extra="forbid")

    event: dict[str, Any] | None = None
    event_id: Id | None = None
    mappings: dict[str, Any] | None = None


class Preview(BaseModel):
    """The vendor's payload, or why there is none: `outcome` is mapped, skipped or rejected."""

    payload: Any
    outcome: str
    reason: str | None
    notes: list[str]
    request: dict[str, Any] | None


@mappings.get("/integrations/<integration:id>/mappings")
async def current(office: Office, id: int) -> Mappings:
    """The field mappings."""
    return _shown(office, id)


@mappings.put("/integrations/<integration:id>/mappings", role="editor")
async def replace(office: Office, caller: Caller, id: int, body: NewMappings) -> Mappings:
    """Replace the field mappings; they are live at once unless `publish` is false."""
    item = office.database.read(installed.shown, id, office.box)
    changes = _changes(item.table["vendor"], item.table["variant"], body.mappings)
    await office.change(
        store.patch_integration,
        id,
        {"mappings": changes},
        office.box,
        publish=body.publish,
        author=caller.name,
        now=office.now(),
    )
    return _shown(office, id)


@mappings.post("/integrations/<integration:id>/mappings/preview", role="viewer")
async def preview(office: Office, id: int, body: PreviewOf) -> Preview:
    """Map an event with the draft and show the vendor's payload; nothing is sent."""
    if (body.event is None) is (body.event_id is None):
        raise Refusal(400, "invalid_payload", "event: give an event, or the event_id of a stored one.")
    changes = None
    if body.mappings is not None:
        item = office.database.read(installed.shown, id, office.box).table
        changes = _changes(item["vendor"], item["variant"], body.mappings)
    integration, default = office.database.read(installed.drafted, id, office.box, mappings=changes)
    now = office.now()
    if body.event_id is not None:
        stored = office.database.read(events.payload, body.event_id)
        known = office.database.read(identities.consent_now, body.event_id)
        tried, consent = json.loads(stored), None if known is None else dumps(known)
    else:
        tried = event.parse(body.event, expected=None, received_at=now, make_id=lambda: str(uuid4()))
        consent = None
    found = office.rehearsal.preview(integration, tried, consent, default_consent=default, now=now)
    return Preview(
        payload=found.payload,
        outcome=found.outcome,
        reason=found.reason,
        notes=list(found.notes),
        request=found.request,
    )


def _changes(vendor: str, variant: str, given: dict[str, Any]) -> dict[str, Any]:
    """What is laid over the variant, without what it says anyway."""
    default = _default(vendor, variant)
    changes: dict[str, Any] = mapping.difference(default, mapping.merge(default, given))
    return changes


def _default(vendor: str, variant: str) -> dict[str, Any]:
    destination = destinations().get(vendor)
    return dict(destination.variants.get(variant, {})) if destination else {}


def _shown(office: Office, integration_id: int) -> Mappings:
    item = office.database.read(installed.shown, integration_id, office.box).table
    default = _default(item["vendor"], item["variant"])
    return Mappings(
        vendor=item["vendor"],
        variant=item["variant"],
        mappings=_laid_over(default, item["mappings"]),
        changes=item["mappings"],
        default=default,
        converters=list(CONVERTERS),
    )


def _laid_over(document: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The document with the changes, which keep their nulls."""
    both = dict(document)
    for key, change in changes.items():
        inner = both.get(key)
        both[key] = _laid_over(inner, change) if isinstance(inner, dict) and isinstance(change, dict) else change
    return both

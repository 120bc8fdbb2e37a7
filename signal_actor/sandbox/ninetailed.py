"""Ninetailed: the rules of the Experience API's events endpoint.

Sources: Contentful's Experience API reference (errors, limits, envelope), the official clients
ninetailed-inc/experience.js and contentful/optimization (profiles, strict schema), and the integration's own document
for the minimum of an event: `anonymousId` always, `event` for track, `userId` and `traits` for identify. Not published,
thus our choice: the text beside ERR_CONFIG_NOT_FOUND, what an unknown path answers, and that a batch over a limit is
ERR_INVALID_DATA.
"""

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from signal_actor.sandbox.ninetailed_schema import strict_fault
from signal_actor.sandbox.vendor import Answer, Call, Item, Moment, Settings, Vendor, fingerprint, members, text

MAX_EVENTS = 200
MAX_IDENTIFIES = 50
MAX_PROFILES = 50
TYPES = frozenset({"page", "track", "identify", "component", "group", "alias", "screen"})
CONTENT_TYPES = frozenset(
    {"application/json", "text/plain"}
)  # the browser client sends text/plain to avoid a preflight
PATH = re.compile(r"/v2/organizations/([^/]+)/environments/([^/]+)/(import/)?events")


class NinetailedSettings(Settings):
    """The account of the sandbox. `strict` demands all that the vendor's own clients send."""

    organization_id: str = "demo-org"
    environment_slug: str = "main"
    strict: bool = False


def _success(data: dict[str, Any]) -> dict[str, Any]:
    return {"data": data, "message": "ok", "error": None}


def _failure(message: str, code: str) -> dict[str, Any]:
    return {"message": message, "data": {}, "error": {"code": code}}


BODIES = {
    400: _failure("Invalid data provided", "ERR_INVALID_DATA"),
    404: _failure("Configuration not found", "ERR_CONFIG_NOT_FOUND"),
    429: _failure("Profile overload", "ERR_PROFILE_OVERLOAD"),
    500: _failure("Internal server error", "ERR_INTERNAL_SERVER_ERROR"),
}


def items(call: Call) -> list[Item]:
    """One item an event, named by its messageId."""
    return [_item(event) for event in members(call.document, "events")]


def answer(settings: NinetailedSettings, call: Call, items: Sequence[Item], moment: Moment) -> Answer:
    """Profiles for a batch in order, all or nothing."""
    where = PATH.fullmatch(call.path)
    if where is None or call.method != "POST":
        return Answer(404, {"message": "Not Found", "data": {}, "error": None}, reason=f"no {call.method} {call.path}")
    known = (unquote(where[1]), unquote(where[2])) == (settings.organization_id, settings.environment_slug)
    traced = {"traceparent": _traceparent(moment)}
    if where[3]:  # the import answers 200 whatever happens, which is why nothing should be delivered through it
        fault = "" if known else "unknown organization or environment"
        fault = fault or _fault(settings, call, items, moment)
        return Answer(200, _success({}), traced, () if fault else items, reason=fault)
    if not known:
        return Answer(404, BODIES[404], traced, reason="unknown organization or environment")
    if fault := _fault(settings, call, items, moment):
        return Answer(400, BODIES[400], traced, reason=fault)
    if moment.busy:
        return Answer(429, BODIES[429], traced, reason=f"another request carries {moment.busy[0]}")
    return Answer(200, _success({"profiles": _profiles(items)}), traced, accepted=items)


def _fault(settings: NinetailedSettings, call: Call, items: Sequence[Item], moment: Moment) -> str:
    """What is wrong with the batch, or ""."""
    if call.content_type not in CONTENT_TYPES:
        return "content type must be application/json"
    if not items:
        return "events must be a list of 1 to 200 events"
    for index, item in enumerate(items):
        if index in moment.refused:
            return f"events[{index}] is refused by a fault"
        if fault := _event_fault(item.payload) or (strict_fault(item.payload) if settings.strict else ""):
            return f"events[{index}]: {fault}"
    return _limit_fault(items)


def _event_fault(event: Any) -> str:
    """The minimum of one event, by the integration's document."""
    if not isinstance(event, dict):
        return "must be an object"
    kind = event.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        return "type is not one of the vendor's"
    required = {"track": ("event",), "identify": ("userId",)}.get(kind, ())
    for name in ("anonymousId", *required):
        if not text(event.get(name)):
            return f"{name} is required"
    if kind == "identify" and not isinstance(event.get("traits"), dict):
        return "traits is required"
    return ""


def _limit_fault(items: Sequence[Item]) -> str:
    if len(items) > MAX_EVENTS:
        return f"{len(items)} events, at most {MAX_EVENTS}"
    if (identifies := sum(item.payload["type"] == "identify" for item in items)) > MAX_IDENTIFIES:
        return f"{identifies} identify events, at most {MAX_IDENTIFIES}"
    if (profiles := len({item.visitor for item in items})) > MAX_PROFILES:
        return f"{profiles} profiles, at most {MAX_PROFILES}"
    return ""


def _item(event: Any) -> Item:
    fields = event if isinstance(event, dict) else {}
    return Item(text(fields.get("messageId")) or fingerprint(event), text(fields.get("anonymousId")), event)


def _profiles(items: Sequence[Item]) -> list[dict[str, Any]]:
    """The upserted profiles, with the traits that this batch brought."""
    traits: dict[str, dict[str, Any]] = {}
    for item in items:
        known = traits.setdefault(item.visitor, {})
        if item.payload["type"] == "identify":
            known.update(item.payload["traits"])
    return [{**_profile(visitor), "traits": known} for visitor, known in traits.items()]


@lru_cache(maxsize=10_000)
def _profile(visitor: str) -> dict[str, Any]:
    page = {"path": "/", "query": {}, "referrer": "", "search": "", "url": ""}
    session = {"id": fingerprint((visitor, "session")), "isReturningVisitor": False, "landingPage": page, "count": 1}
    return {
        "id": visitor,
        "stableId": visitor,
        "random": int(fingerprint(visitor), 16) / 2**32,
        "audiences": [],
        "location": {},
        "session": session | {"activeSessionLength": 0, "averageSessionLength": 0},
    }


def _traceparent(moment: Moment) -> str:
    digest = hashlib.blake2b(f"{moment.now}/{moment.serial}".encode(), digest_size=24).hexdigest()
    return f"00-{digest[:32]}-{digest[32:]}-01"


def _hint(settings: NinetailedSettings, url: str) -> dict[str, str]:
    return {
        "organization_id": settings.organization_id,
        "environment_slug": settings.environment_slug,
        "endpoint": url,
    }


NINETAILED = Vendor("ninetailed", NinetailedSettings(), items, answer, _hint, BODIES)

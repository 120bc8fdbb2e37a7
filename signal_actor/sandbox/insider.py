"""Insider: the rules of the Unification API's user upsert.

Sources: Insider's public Postman collection and OpenAPI description (api-evangelist/insider); academy.insiderone.com,
"Upsert user data" and "Rate limits". A user fails as a whole, and the answer names users by their index in the request.
Its texts are the vendor's, typing errors included. Not published, thus our choice: what more than 1,000 users and an
unknown path answer, that a missing token is "Bad Api Key." while a wrong one fails authentication, and the answers
marked "ours" in `insider_users.py`.
"""

from collections.abc import Sequence
from typing import Any

from signal_actor.sandbox.insider_users import identity, user_errors
from signal_actor.sandbox.vendor import (
    MALFORMED,
    Answer,
    Call,
    Item,
    Moment,
    Settings,
    Vendor,
    fingerprint,
    members,
)

PATH = "/api/user/v1/upsert"
MAX_USERS = 1_000
MAX_BYTES = 5_000_000
RATE_WINDOW = 60.0  # seconds; the vendor allows 25,000 requests a minute and key


class InsiderSettings(Settings):
    """The account of the sandbox. `strict` also demands a purchase's quantity and knows the vendor's default fields."""

    api_key: str = "sandbox-insider-key"
    partner_name: str = "demo"
    strict: bool = False
    requests_per_minute: int | None = None


def _problem(message: str) -> dict[str, Any]:
    return {"success": False, "message": message}


MISSING_KEY = {"error": "Bad Api Key."}
NOT_JSON = _problem("Request data is not in valid JSON format.")
WRONG_PARTNER = _problem("Partner is invalid.")
WRONG_TYPE = {"error": "content type must be application/json"}
TOO_BIG = {"error": "request body is bigger than maximum allowed size 5,000,000 bytes"}
NO_USERS = {"error": "users must be defined: bad request"}
TOO_MANY_USERS = {"error": "users must not be more than 1000: bad request"}

BODIES = {
    400: NO_USERS,
    401: _problem("Partner token authentication failed."),
    403: _problem("Access Denied. You do not have sufficient access to perform this action."),
    429: {"error": "rejected: too many requests"},
    500: _problem("The request processing has failed because of an unknown error."),
}


def items(call: Call) -> list[Item]:
    """One item a user. The vendor knows no event id, so it is who, what, when and a fingerprint of the entry."""
    return [_item(user) for user in members(call.document, "users")]


def answer(settings: InsiderSettings, call: Call, items: Sequence[Item], moment: Moment) -> Answer:
    """Counts of the users that went well and that failed, each failure under its index."""
    if call.path != PATH or call.method != "POST":
        return Answer(404, _problem("Not Found"), reason=f"no {call.method} {call.path}")
    if refusal := _refusal(settings, call, moment):
        return refusal
    if call.document is MALFORMED:
        return Answer(400, NOT_JSON)
    if not items:
        return Answer(400, NO_USERS)
    if len(items) > MAX_USERS:
        return Answer(400, TOO_MANY_USERS)
    return _upserted(settings, items, moment)


def _refusal(settings: InsiderSettings, call: Call, moment: Moment) -> Answer | None:
    """What is decided by the headers and the size alone."""
    if call.content_type != "application/json":
        return Answer(400, WRONG_TYPE)
    if call.headers.get("x-partner-name") != settings.partner_name:
        return Answer(400, WRONG_PARTNER)
    token = call.headers.get("x-request-token")
    if token != settings.api_key:
        return Answer(401, BODIES[401] if token else MISSING_KEY)
    if len(call.body) > MAX_BYTES:
        return Answer(400, TOO_BIG)
    if settings.requests_per_minute is not None and moment.recent > settings.requests_per_minute:
        return Answer(429, BODIES[429], {"Retry-After": "1"})
    return None


def _upserted(settings: InsiderSettings, items: Sequence[Item], moment: Moment) -> Answer:
    errors: dict[str, list[str]] = {}
    accepted = []
    for index, item in enumerate(items):
        found = user_errors(item.payload, strict=settings.strict)
        if index in moment.refused:
            found = found or {"identifiers.*.in(sandbox)": ["user is refused by a fault"]}
        if found:
            errors.update({f"users.{index}.{rule}": texts for rule, texts in found.items()})
        else:
            accepted.append(item)
    failed = len(items) - len(accepted)
    data = {
        "successful": {"count": len(accepted)} if accepted else {},
        "fail": {"count": failed, "errors": errors} if failed else {},
    }
    return Answer(200, {"data": data}, accepted=accepted)


def _item(user: Any) -> Item:
    who = identity(user)
    what = "attributes"
    if (events := members(user, "events")) and isinstance(events[0], dict):
        what = f"{events[0].get('event_name')}@{events[0].get('timestamp')}"
    return Item(f"{who}/{what}#{fingerprint(user)}", who, user)


def _hint(settings: InsiderSettings, url: str) -> dict[str, str]:
    return {"api_key": settings.api_key, "partner_name": settings.partner_name, "endpoint": url}


INSIDER = Vendor("insider", InsiderSettings(), items, answer, _hint, BODIES, window=RATE_WINDOW)

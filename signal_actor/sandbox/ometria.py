"""Ometria: the rules of the Data API's push endpoint.

Sources: docs.ometria.com ("Ometria Data API introduction", Data API v2), support.ometria.com ("Push API", "Setting up
custom events") and the integration's own document (202, 403, 400 for mixed types and more than 100 records). A 202
means received and authenticated; what is wrong with a record's fields shows as a count in `rejected` and under
/v2/push/_errors, and neither names the record. Not published, thus our choice: the shape of an error body, the status
of a record that is too large, and which faults are found at once (400) and which later (`rejected`).
"""

import json
import uuid
from collections.abc import Sequence
from typing import Any

from signal_actor.sandbox.ometria_records import TYPES, record_error
from signal_actor.sandbox.vendor import Answer, Call, Item, Moment, Settings, Vendor, fingerprint, text

PATH = "/v2/push"
ERRORS_PATH = "/v2/push/_errors"
MAX_RECORDS = 100
VISITOR = ("identity_account_id", "profile_id", "identity_email", "customer_id", "email")  # the first that is given
MAX_RECORD_BYTES = 60_000  # "60KB": the smaller reading, so that who passes here passes there
QUEUE_SIZE = 50_000  # records; older pages of the vendor answer 429 beyond


class OmetriaSettings(Settings):
    """The account of the sandbox. The vendor's rate is 8 requests a second (older pages: 4); None is off."""

    api_key: str = "sandbox-ometria-key"
    requests_per_second: int | None = None


def failure(message: str) -> dict[str, str]:
    """An error body; its shape is ours, so nobody should depend on it."""
    return {"status": "error", "message": message}


BODIES = {
    400: failure("Payload invalid"),
    403: failure("API key is not authorised to access this resource"),
    429: failure("Too many requests"),
    500: failure("Internal server error"),
}


def items(call: Call) -> list[Item]:
    """One item a record, named by its id."""
    return [_item(record) for record in call.document] if isinstance(call.document, list) else []


def answer(settings: OmetriaSettings, call: Call, items: Sequence[Item], moment: Moment) -> Answer:
    """How many records were accepted and rejected."""
    if (call.method, call.path) not in (("POST", PATH), ("GET", ERRORS_PATH)):
        return Answer(404, failure("Not Found"), reason=f"no {call.method} {call.path}")
    if call.headers.get("x-ometria-auth") != settings.api_key:
        return Answer(403, BODIES[403])
    if call.path == ERRORS_PATH:
        return Answer(200, list(moment.errors))
    if settings.requests_per_second is not None and moment.recent > settings.requests_per_second:
        queue = {"X-QueueSize-Limit": str(QUEUE_SIZE), "X-QueueSize-Remaining": str(QUEUE_SIZE)}
        return Answer(429, BODIES[429], queue, reason=f"more than {settings.requests_per_second} requests a second")
    if fault := _fault(call, items):
        return Answer(400, failure(fault), reason=fault)
    return _pushed(items, moment)


def _pushed(items: Sequence[Item], moment: Moment) -> Answer:
    accepted, errors = [], []
    for index, item in enumerate(items):
        error = record_error(item.payload)
        if index in moment.refused:
            error = error or {"error_message": "refused by a fault", "error_path": "root"}
        if error:
            errors.append(error)
        else:
            accepted.append(item)
    body = {
        "status": "OK",
        "request_id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{moment.now}/{moment.serial}")),
        "accepted": len(accepted),
        "rejected": len(errors),
    }
    reason = f"{errors[0]['error_path']}: {errors[0]['error_message']}" if errors else ""
    return Answer(202, body, accepted=accepted, reason=reason, errors=errors)


def _fault(call: Call, items: Sequence[Item]) -> str:
    """What makes the request fail as a whole, or ""."""
    if call.content_type != "application/json":
        return "Payload invalid: Content-Type must be application/json."
    if not items:
        return "Payload invalid: expected a JSON array of records."
    if len(items) > MAX_RECORDS:
        return f"Payload invalid: more than {MAX_RECORDS} records."
    types = {text(item.payload.get("@type")) if isinstance(item.payload, dict) else "" for item in items}
    if len(types) > 1:
        return "Payload invalid: mixed record types."
    if not types <= TYPES:
        return "Payload invalid: unknown record type."
    if len(call.body) > MAX_RECORD_BYTES and any(_size(item.payload) > MAX_RECORD_BYTES for item in items):
        return "Payload invalid: Record is too large."
    return ""


def _size(record: Any) -> int:
    """Bytes of the record as compact JSON."""
    try:
        return len(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode(errors="replace"))
    except RecursionError:
        return MAX_RECORD_BYTES + 1


def _item(record: Any) -> Item:
    fields = record if isinstance(record, dict) else {}
    visitor = ""
    for name in VISITOR:
        if visitor := text(fields.get(name)):
            break
    return Item(text(fields.get("id")) or fingerprint(record), visitor, record)


def _hint(settings: OmetriaSettings, url: str) -> dict[str, str]:
    return {"api_key": settings.api_key, "endpoint": url}


OMETRIA = Vendor("ometria", OmetriaSettings(), items, answer, _hint, BODIES)

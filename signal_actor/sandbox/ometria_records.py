"""Ometria's records: what makes one record of a push be rejected later, as the vendor's error list says it.

Sources: docs.ometria.com, Data API v2, and Ometria's Magento extension for contacts and orders. A record whose id is
known merges into the stored one, so everything but id and type is optional in all types but custom events.
"""

import re
from datetime import datetime
from typing import Any

from signal_actor.sandbox.vendor import text

TYPES = frozenset({"custom_event", "contact", "order", "product", "listing"})
OPTINS = frozenset({"EXPLICITLY_OPTEDIN", "EXPLICITLY_OPTEDOUT", "NOT_SPECIFIED"})
PHONE = re.compile(r"\+[1-9]\d{10,14}")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
EMAILS = ("identity_email", "email")

Error = dict[str, str]


def record_error(record: dict[str, Any]) -> Error | None:
    """The first thing that is wrong with a record, or None."""
    required = {"custom_event": ("timestamp", "event_type")}.get(text(record["@type"]), ())
    for name in ("id", *required):
        if not text(record.get(name)):
            return _wrong(name)
    if "timestamp" in record and not _is_time(record["timestamp"]):
        return _wrong("timestamp")
    for name in EMAILS:
        if name in record and not EMAIL.fullmatch(text(record[name])):
            return _wrong(name)
    if not isinstance(record.get("properties", {}), dict):
        return _wrong("properties")
    return _contact_error(record) if record["@type"] == "contact" else None


def _contact_error(record: dict[str, Any]) -> Error | None:
    if "phone_number" in record and not PHONE.fullmatch(text(record["phone_number"])):
        return _wrong("phone_number")
    if "marketing_optin" in record and text(record["marketing_optin"]) not in OPTINS:
        return _wrong("marketing_optin")
    for name in ("firstname", "middlename", "lastname", "customer_id"):
        if not isinstance(record.get(name, ""), str):
            return _wrong(name)
    return None


def _wrong(name: str) -> Error:
    return {"error_message": "not a valid value", "error_path": f"root > {name}"}


def _is_time(value: Any) -> bool:
    """ISO 8601 with an offset; `+00:00` is the vendor's own form, `Z` is taken, too."""
    try:
        return "T" in value and datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False

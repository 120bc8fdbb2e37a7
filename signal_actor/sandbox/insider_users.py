"""Insider's users: what makes one entry of an upsert fail, by rule and with the vendor's texts.

Source: the failing examples of Insider's public Postman collection and OpenAPI description. A rule's key is what
follows `users.<i>.` in the vendor's answer. Rules whose wording the vendor does not publish carry the comment "ours".
"""

import re
from datetime import datetime
from typing import Any

from signal_actor.sandbox.vendor import members

EMAIL = re.compile(r"^.+@.+\..+$")
PHONE = re.compile(r"^\+[1-9]\d{6,14}$")
EVENT_NAME = re.compile(r"^[a-z0-9][a-zA-Z0-9._-]*$")
IDENTIFIERS = ("uuid", "email", "phone_number", "custom")

ORDER_PARAMS = ("event_group_id", "unit_sale_price", "currency")
REQUIRED_PARAMS = {"purchase": ORDER_PARAMS, "cart_page_view": ORDER_PARAMS}
STRICT_PARAMS = {
    "purchase": (*ORDER_PARAMS, "quantity")
}  # documented as required, left out in the vendor's own example

ATTRIBUTES = frozenset(
    {
        *(
            "email",
            "phone_number",
            "uuid",
            "email_optin",
            "gdpr_optin",
            "sms_optin",
            "whatsapp_optin",
            "name",
            "surname",
        ),
        *("birthday", "gender", "age", "language", "country", "city", "static_segment_id", "list_id", "lo", "custom"),
    }
)
EVENT_PARAMS = frozenset(
    {
        *("product_id", "name", "taxonomy", "url", "currency", "quantity", "unit_price", "unit_sale_price", "custom"),
        *("event_group_id", "locale", "color", "size", "shipping_cost", "promotion_name", "promotion_discount"),
        *("product_image_url", "referrer", "variant_id", "user_agent", "campaign_id", "campaign_name"),
    }
)

Errors = dict[str, list[str]]


def identity(user: Any) -> str:
    """Whose entry it is: the first of uuid, email, phone number, custom identifier and Insider's own id."""
    if not isinstance(user, dict):
        return ""
    identifiers = user.get("identifiers")
    if isinstance(identifiers, dict):
        for key in IDENTIFIERS:
            if found := identifiers.get(key):
                return str(found)
    return str(user.get("insider_id") or "")


def user_errors(user: Any, *, strict: bool = False) -> Errors:
    """What is wrong with one entry; empty if it is taken."""
    if not isinstance(user, dict):
        return {"type(object)": ["user must be object"]}  # ours
    errors = _identifier_errors(user)
    if "attributes" not in user and "events" not in user:
        errors["attributes.required"] = ["either attributes or events must be specified"]  # ours
    if "attributes" in user:
        errors |= _attribute_errors(user["attributes"], strict)
    if not isinstance(user.get("events", []), list):
        errors["events.type(array)"] = ["events must be array"]  # ours
    for index, event in enumerate(members(user, "events")):
        if wrong := _event_errors(event, strict):
            errors |= {f"events.{index}.{rule}": texts for rule, texts in wrong.items()}
    return errors


def _identifier_errors(user: dict[str, Any]) -> Errors:
    given, own = user.get("identifiers"), user.get("insider_id")
    if not given and not own:
        texts = ["either insider_id or idenifiers must be specified"]
        return {"identifiers.required": texts, "insider_id.required": texts}
    if given and own:
        return {"identifiers.excluded": ["only one of insider_id and identifiers may be specified"]}  # ours
    errors: Errors = {}
    if given and not isinstance(given, dict):
        return {"identifiers.type(object)": ["identifiers must be object"]}  # ours
    for key, value in (given or {}).items():
        if wrong := _identifier_error(key, value):
            errors.setdefault(f"identifiers.*.{wrong[0]}", []).append(wrong[1])
    return errors


def _identifier_error(key: str, value: Any) -> tuple[str, str] | None:
    """Rule and text of what is wrong with one identifier."""
    if key not in IDENTIFIERS:
        return "in(defaults_column)", "key must be one of phone_number(pn), email(em) or uuid"
    if key == "custom":
        return None if isinstance(value, dict) and value else ("type(object)", "custom must be object")  # ours
    if not isinstance(value, str):
        return "type(string)", f"{key} must be string: {value}"
    if not value:
        return "required", f"{key} must not be empty"  # ours; the integration's document demands a non-empty uuid
    if key == "email" and not EMAIL.search(value):
        return f"regexp({EMAIL.pattern})", f"not a valid email address: {value}"
    if key == "phone_number" and not PHONE.search(value):
        return f"regexp({PHONE.pattern})", f"user has an invalid phone number: {value}"
    return None


def _attribute_errors(attributes: Any, strict: bool) -> Errors:
    if not isinstance(attributes, dict) or not attributes:
        return {"attributes.type(object)": ["attributes must be a non-empty object"]}  # ours
    unknown = sorted(attributes.keys() - ATTRIBUTES) if strict else []
    return (
        {"attributes.*.in(defaults_column)": [f"unknown attribute: {key}" for key in unknown]} if unknown else {}
    )  # ours


def _event_errors(event: Any, strict: bool) -> Errors:
    if not isinstance(event, dict):
        return {"type(object)": ["event must be object"]}  # ours
    errors: Errors = {}
    name, params = event.get("event_name"), event.get("event_params", {})
    # The vendor prints this expression and yet refuses `homepageView`, so capitals are refused here, too.
    if not isinstance(name, str) or not EVENT_NAME.search(name) or name != name.lower():
        errors[f"event_name.*.regexp({EVENT_NAME.pattern})"] = [f"invalid event name: {name}"]
        name = ""
    if not _is_time(event.get("timestamp")):
        errors["timestamp.*.type(date)"] = [f"timestamp must be RFC3339: {event.get('timestamp')}"]  # ours
    if not isinstance(params, dict):
        return errors | {"event_params.type(object)": ["event_params must be object"]}  # ours
    required = REQUIRED_PARAMS | STRICT_PARAMS if strict else REQUIRED_PARAMS
    if missing := [param for param in required.get(name, ()) if params.get(param) in (None, "")]:
        errors["event_params.*.required"] = [f"{param} parameter is required on {name} event" for param in missing]
    if unknown := sorted(params.keys() - EVENT_PARAMS) if strict else []:
        errors["event_params.*.in(defaults_column)"] = [f"unknown parameter: {param}" for param in unknown]  # ours
    return errors


def _is_time(value: Any) -> bool:
    """RFC 3339: `Z` and offsets are both in the vendor's examples."""
    try:
        return "T" in value and datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False

"""The strict schema of Ninetailed's own clients, written down by hand from their published types (Experience API)."""

from typing import Any

TEXT = {"type": "string"}
MOMENT = {
    "type": "string",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?Z$",
}
OBJECT = {"type": "object"}

PAGE: dict[str, Any] = {
    "type": "object",
    "required": ["path", "query", "referrer", "search", "url"],
    "properties": {
        "path": TEXT,
        "query": {"type": "object", "additionalProperties": TEXT},
        "referrer": TEXT,
        "search": TEXT,
        "url": TEXT,
        "title": TEXT,
    },
}

CONTEXT: dict[str, Any] = {
    "type": "object",
    "required": ["campaign", "gdpr", "library", "locale"],
    "properties": {
        "campaign": {
            "type": "object",
            "properties": dict.fromkeys(("name", "source", "medium", "term", "content"), TEXT),
            "additionalProperties": False,
        },
        "gdpr": {
            "type": "object",
            "required": ["isConsentGiven"],
            "properties": {"isConsentGiven": {"type": "boolean"}},
        },
        "library": {"type": "object", "required": ["name", "version"], "properties": {"name": TEXT, "version": TEXT}},
        "locale": TEXT,
        "app": {"type": "object", "required": ["name", "version"]},
        "userAgent": TEXT,
        "page": PAGE,
        "screen": {"type": "object", "required": ["name"], "properties": {"name": TEXT}},
    },
}


def _when(kind: str, required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "if": {"properties": {"type": {"const": kind}}},
        "then": {"required": required, "properties": properties},
    }


EVENT: dict[str, Any] = {
    "type": "object",
    "required": [
        *("type", "anonymousId", "channel", "messageId", "timestamp", "originalTimestamp", "sentAt", "context"),
    ],
    "properties": {
        "type": {"enum": ["page", "track", "identify", "component", "group", "alias", "screen"]},
        "anonymousId": TEXT,
        "userId": TEXT,
        "channel": {"enum": ["web", "mobile", "server"]},
        "messageId": TEXT,
        "timestamp": MOMENT,
        "originalTimestamp": MOMENT,
        "sentAt": MOMENT,
        "context": CONTEXT,
        "name": TEXT,
    },
    "allOf": [
        _when("track", ["event", "properties"], event=TEXT, properties=OBJECT),
        _when("page", ["properties"], properties=PAGE, context={"required": ["page"]}),
        _when("identify", ["userId", "traits"], traits=OBJECT),  # userId: the document requires what the clients do not
        _when("screen", ["name"], context={"required": ["screen"]}),
    ],
}

BODY: dict[str, Any] = {
    "type": "object",
    "required": ["events"],
    "additionalProperties": False,
    "properties": {
        "events": {"type": "array", "minItems": 1, "maxItems": 200, "items": EVENT},
        "options": {"type": "object"},
    },
}

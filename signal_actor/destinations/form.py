"""Form: what a person fills in to install a destination, read off its settings model."""

from typing import Any

from signal_actor.destinations.base import Destination, Settings


def fields(destination: Destination[Any]) -> list[dict[str, Any]]:
    """The config fields in reading order: the vendor's own first, those that every destination has last.

    Each is {key, label, type, required, secret, help, default, options}; `type` is string, secret, url, number,
    boolean, choice (of `options`) or map (texts by text).
    """
    schema = destination.settings.model_json_schema()
    shared = Settings.model_fields
    keys = sorted(schema["properties"], key=lambda key: key in shared)
    return [_field(key, schema["properties"][key], key in schema.get("required", ())) for key in keys]


def _field(key: str, schema: dict[str, Any], required: bool) -> dict[str, Any]:
    # An optional field is written as a choice between its form and null.
    form = next((each for each in schema.get("anyOf", []) if each.get("type") != "null"), schema)
    kind = _kind(form)
    return {
        "key": key,
        "label": schema.get("title", key),
        "type": kind,
        "required": required,
        "secret": kind == "secret",
        "help": schema.get("description", ""),
        "default": schema.get("default"),
        "options": form.get("enum", []),
    }


def _kind(form: dict[str, Any]) -> str:
    if form.get("format") == "password":
        return "secret"
    if "enum" in form:
        return "choice"
    if form.get("format") == "uri" or form.get("pattern", "").startswith("^https?:"):
        return "url"
    return {"integer": "number", "number": "number", "boolean": "boolean", "object": "map"}.get(
        form.get("type", ""), "string"
    )

"""Forms: what a person typed becomes the values that the rooms below check, and their words find the field again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from werkzeug.datastructures import MultiDict

from signal_actor.errors import ConfigurationError
from signal_actor.secrets import MASK

Fields = Sequence[Mapping[str, Any]]

DELIVERY: Fields = [
    {"key": key, "label": label, "type": "number", "required": False, "unit": unit, "help": about}
    for key, label, unit, about in (
        ("request_timeout_seconds", "Request timeout", "seconds", "Then an unanswered request counts as failed."),
        ("retry_base_seconds", "First retry after", "seconds", "Each further retry waits about twice as long."),
        ("retry_cap_seconds", "Longest wait between retries", "seconds", "However often it failed."),
        ("retry_window_seconds", "Give up after", "seconds", "Counted from acceptance; then it is a dead letter."),
        ("max_in_flight", "Requests at a time", "requests", "1 to 32."),
        ("probe_seconds", "Probe every", "seconds", "While the integration is paused by itself."),
    )
]


@dataclass
class Wrong:
    """What cannot be saved: by field where a field is named, and the rest."""

    fields: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)


def config(fields: Fields, form: MultiDict[str, str], *, patch: bool = False) -> dict[str, Any]:
    """The fields' values. In a patch an empty secret stays as it is, and what else is empty is taken away."""
    found: dict[str, Any] = {}
    for each in fields:
        text = form.get(each["key"], "").strip()
        if text:
            found[each["key"]] = value(each["type"], text)
        elif patch:
            found[each["key"]] = MASK if each["type"] == "secret" else None
    return found


def texts(fields: Fields, values: Mapping[str, Any]) -> dict[str, str]:
    """The values as they stand in the form; a secret never comes back."""
    return {each["key"]: _text(each["type"], values.get(each["key"])) for each in fields}


def typed(form: MultiDict[str, str]) -> dict[str, str]:
    """The form as it was sent, to be shown again."""
    return {key: form.get(key, "") for key in form}


def lines(text: str) -> list[str]:
    """One entry a line; empty ones do not count."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def sorted_out(error: ConfigurationError, keys: Iterable[str]) -> Wrong:
    """The error's lines, `path.to.key: words`, beside the fields that they speak of."""
    wrong = Wrong()
    known = set(keys)
    for line in str(error).splitlines():
        path, colon, words = line.partition(": ")
        key = next((part for part in reversed(path.replace("[", ".").split(".")) if part in known), None)
        if colon and key is not None:
            wrong.fields.setdefault(key, words[:1].upper() + words[1:])
        else:
            wrong.lines.append(line)
    return wrong


def value(kind: str, text: str) -> Any:
    """What a person typed into one field; what does not fit stays as it is, for the check to say so."""
    if kind == "number":
        try:
            number = float(text)
        except ValueError:
            return text
        return int(number) if number.is_integer() else number
    if kind == "boolean":
        return text == "true"
    if kind == "map":
        pairs = (line.partition(":") for line in lines(text))
        return {name.strip(): value.strip() for name, _, value in pairs}
    return text


def _text(kind: str, value: Any) -> str:
    if value is None or kind == "secret":
        return ""
    if kind == "map":
        return "\n".join(f"{name}: {text}" for name, text in value.items())
    if kind == "boolean":
        return "true" if value else "false"
    return str(value)

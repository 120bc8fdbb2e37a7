"""Verdicts: what became of an event at one integration, in a sentence, and what a person can do about it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from signal_actor.destinations.base import Advice
from signal_actor.management.api.events import Attempt, Delivery, Story
from signal_actor.management.api.mappings import Preview
from signal_actor.management.pages import rules, sight
from signal_actor.management.pages.sight import Sight

_MISSING = re.compile(r"([A-Za-z]\w*) is missing\b")


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do; `link` leads to where."""

    text: str
    link: str = ""
    label: str = ""
    symptom: str = ""  # the row of the document's troubleshooting table that this is


@dataclass(frozen=True, slots=True)
class Fate:
    """An event at one integration. `of` is None where the integration was removed."""

    delivery: Delivery
    attempts: Sequence[Attempt]
    of: Sight | None
    preview: Preview | None
    sentence: str
    steps: Sequence[Step]
    silent: Sequence[Advice]  # if the vendor took it and still does not show it

    @property
    def next_try(self) -> str | None:
        """When it is tried again, if that is planned and nothing stands in its way."""
        stopped = self.of is not None and self.of.health in ("paused", "misconfigured", "disabled")
        return self.delivery.due_at if self.delivery.attempts and not stopped else None


def told(
    event: Story, delivery: Delivery, attempts: Sequence[Attempt], of: Sight | None, preview: Preview | None
) -> Fate:
    """Everything there is to say."""
    found = [*_advised(attempts, of), *_reasons(event, delivery, of), *_missing(delivery, of, preview)]
    steps = list({step.text: step for step in reversed(found)}.values())[::-1]  # each is said once, the first time
    done = delivery.state == "done" and of is not None
    silent = sight.silent(of.vendor) if of is not None and done else []
    said = {step.symptom for step in steps}
    rest = [advice for advice in silent if advice.symptom not in said]
    return Fate(delivery, attempts, of, preview, _sentence(delivery, attempts, of), steps, rest)


def _sentence(delivery: Delivery, attempts: Sequence[Attempt], of: Sight | None) -> str:
    name = of.name if of else delivery.integration
    match delivery.state:
        case "done":
            times = "" if delivery.attempts < 2 else f" after {delivery.attempts} attempts"
            status = f" with HTTP {delivery.last_status}" if delivery.last_status else ""
            note = f" It noted: {delivery.last_error}" if delivery.last_error else ""
            return f"{name} took it{status}{times}.{note}"
        case "skipped":
            return f"Not sent: {delivery.last_error or 'not wanted'}."
        case "dead":
            return f"Given up on: {delivery.last_error or 'refused'}"
        case "leased":
            return f"On its way to {name} right now."
        case _:
            return _waiting(delivery, attempts, of, name)


def _waiting(delivery: Delivery, attempts: Sequence[Attempt], of: Sight | None, name: str) -> str:
    if of is not None and of.health in ("paused", "misconfigured"):
        return f"Waits, because {name} is {'paused' if of.health == 'paused' else 'paused by itself'}. It is not lost."
    if of is not None and of.health == "retrying" and not attempts:
        return f"Waits, because {name} fails at the moment: {of.cause} It is tried again by itself."
    if delivery.last_error or attempts:
        return f"The last try failed and the next is planned. {delivery.last_error or ''}".strip()
    return "Waits for its turn, behind an earlier event of the same visitor or the one that is being sent."


def _advised(attempts: Sequence[Attempt], of: Sight | None) -> list[Step]:
    """The document's remedy for the newest answer."""
    if of is None or not attempts:
        return []
    last = attempts[-1]
    advice = sight.advised(of.vendor, last.status, last.response_body or "")
    if advice is None or (last.outcome == "delivered" and advice.status is not None and advice.mark is None):
        return []
    return [Step(advice.remedy, f"/integrations/{of.shown.id}/settings", "Settings", advice.symptom)]


def _reasons(event: Story, delivery: Delivery, of: Sight | None) -> list[Step]:
    """What to do about the reasons that we give ourselves."""
    if of is None:
        return [Step("The integration was removed. Install it again to have new events delivered.")]
    text, base = delivery.last_error or "", f"/integrations/{of.shown.id}"
    if delivery.state not in ("skipped", "dead"):
        waits = delivery.state == "pending" and of.health in ("paused", "misconfigured")
        return [Step(of.remedy or "See what stopped it, and resume it.", base, "To the integration")] if waits else []
    if text.startswith("consent: "):
        category = text.removeprefix("consent: ").split()[0]
        said = (
            f"The visitor did not grant {category}. If they should have, check what your consent banner tells datafly."
        )
        return [Step(said), Step("Or change which consent it needs.", f"{base}/settings", "Consent categories")]
    if "disabled" in text:
        return [Step("Enable the integration, then replay.", f"{base}/settings", "Settings")]
    if text.startswith("discarded by"):
        return []
    key = rules.TRACK + (event.name or "") if event.type == "track" else event.type
    link = f"{base}/mappings/rule?key={quote(key, safe='')}"
    if text.startswith("mapping: "):
        return [Step("Mend the field mapping, then replay: the mapping runs again.", link, "Field Mapping")]
    if delivery.state == "skipped":
        return [Step("If it should be sent, map it, then replay.", link, "Field Mapping")]
    return [Step("If the payload is at fault, mend the field mapping, then replay.", link, "Field Mapping")]


def _missing(delivery: Delivery, of: Sight | None, preview: Preview | None) -> list[Step]:
    """Advice of the kind "identity_email is missing", where it is."""
    if of is None or delivery.state != "done" or preview is None or preview.payload is None:
        return []
    there = _keys(preview.payload)
    return [
        Step(advice.remedy, symptom=advice.symptom)
        for advice in of.vendor.troubleshooting
        if (found := _MISSING.match(advice.remedy)) and found[1] not in there
    ]


def _keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    return set().union(*map(_keys, value)) if isinstance(value, list) else set()

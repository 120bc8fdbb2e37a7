"""Consent: what a visitor allows, read from the forms in which consent platforms say it, and what follows from it."""

from collections.abc import Mapping, Sequence
from typing import Any

from signal_actor.errors import Refusal

CATEGORIES = ("essential", "functional", "analytics", "marketing", "personalization")

# Names under which consent platforms know the five categories (OneTrust's groups, Cookiebot's, Segment's examples).
ALIASES = {
    "necessary": "essential",
    "strictly_necessary": "essential",
    "c0001": "essential",
    "performance": "analytics",
    "statistics": "analytics",
    "c0002": "analytics",
    "preferences": "functional",
    "c0003": "functional",
    "advertising": "marketing",
    "targeting": "marketing",
    "c0004": "marketing",
    "personalisation": "personalization",
}
WORDS = {"granted": True, "denied": False, "true": True, "false": False}

Consent = dict[str, bool]


def stated(context: Mapping[str, Any], *, opted_out: bool = False) -> Consent | None:
    """What an event itself says about consent; None if it says nothing.

    `context.consent` holds the categories, or holds them under `categories`, `canonical` or Segment's
    `categoryPreferences`. `opted_out` is Global Privacy Control (`Sec-GPC: 1`), which denies marketing.

    Raises:
        Refusal: 400; what a visitor said about consent is never guessed.
    """
    given = context.get("consent")
    if given is None:
        return {"marketing": False} if opted_out else None
    if not isinstance(given, Mapping):
        raise Refusal(400, "invalid_payload", "context.consent: must be an object of categories.")
    for wrapper in ("categories", "canonical", "categoryPreferences"):
        if isinstance(given.get(wrapper), Mapping):
            given = given[wrapper]
            break
    consent: Consent = {}
    for name, value in given.items():
        category = _category(name)
        if category in CATEGORIES or isinstance(value, bool):  # platforms add dates, versions and the like
            consent[category] = _granted(name, value)
    if opted_out:
        consent["marketing"] = False
    return consent


def granted(category: str, consent: Mapping[str, bool] | None, *, default: bool) -> bool:
    """Whether a category is allowed. What is essential needs no consent; what is unknown follows the pipeline."""
    if consent is not None and category in consent:
        return consent[category]
    return default or category == "essential"


def denied(required: Sequence[str], *known: Mapping[str, bool] | None, default: bool) -> str | None:
    """The first required category that one of the known consents (at acceptance, now) denies; None if none does."""
    for category in required:
        if not all(granted(category, consent, default=default) for consent in known):
            return category
    return None


def _category(name: str) -> str:
    plain = name.strip().lower().replace(" ", "_").replace("-", "_")
    return ALIASES.get(plain, plain)


def _granted(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in WORDS:
        return WORDS[value.lower()]
    raise Refusal(400, "invalid_payload", f"context.consent.{name}: must be true or false.")

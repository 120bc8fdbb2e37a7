"""Identity: who an event is about, and what it carries because of what was said before.

A visitor is a browser, known by its anonymous id; a person is a user, known by their user id. An identify links the
two; from then on every event of the visitor carries the user id and the person's traits.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from signal_actor.consent import Consent
from signal_actor.event import Event


def merged(known: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """What is known after something new was said: the newest value of each key; a null forgets the key."""
    both = {**known, **said}
    return {key: value for key, value in both.items() if value is not None}


def carry(event: Event, *, user_id: str | None, traits: Mapping[str, Any], consent: Consent | None) -> None:
    """Puts on the event what is known about its visitor. What the event itself says goes first."""
    if user_id is not None:
        event.setdefault("userId", user_id)
    context = event["context"]
    own = context.get("traits") or {}
    if traits or own:
        context["traits"] = merged(traits, own)
    if consent is not None:
        context["consent"] = consent
    else:
        context.pop("consent", None)


def order_key(event: Event) -> int:
    """Whose order the event keeps: its visitor's, else its user's; a signed 64-bit number.

    Two visitors that share a number by chance would merely wait for each other.
    """
    visitor = event.get("anonymousId")
    text = f"a{visitor}" if visitor is not None else f"u{event.get('userId')}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def message_key(pipeline_id: int, message_id: str) -> bytes:
    """The de-duplication key of a message: 16 bytes, so that two messages never share one."""
    return blake2b(f"{pipeline_id}:{message_id}".encode(), digest_size=16).digest()

"""Webhook: a receiver that checks what the Standard Webhooks specification demands of a sender.

Source: standard-webhooks/standard-webhooks, spec/standard-webhooks.md: the signature is HMAC-SHA256 over
`id.timestamp.body` with the decoded secret, sent as `v1,<base64>`, several of them apart by spaces; a timestamp more
than five minutes away is refused, so that an old request cannot be played again. Any path takes events.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

from pydantic import field_validator

from signal_actor.sandbox.vendor import Answer, Call, Item, Moment, Settings, Vendor, fingerprint, members, text

TOLERANCE = 300.0  # seconds
PREFIX = "whsec_"


class WebhookSettings(Settings):
    """The receiver of the sandbox. Without a secret, signatures are not looked at."""

    secret: str | None = None

    @field_validator("secret")
    @classmethod
    def _decodable(cls, secret: str | None) -> str | None:
        if secret is not None:
            _key(secret)
        return secret


BODIES = {
    400: {"error": "the body must be an object with a list of events"},
    401: {"error": "the signature does not match"},
}


def items(call: Call) -> list[Item]:
    """One item an event, named by its messageId."""
    return [_item(event) for event in members(call.document, "events")]


def answer(settings: WebhookSettings, call: Call, items: Sequence[Item], moment: Moment) -> Answer:
    """How many events arrived, or why the request is not believed."""
    if call.method != "POST":
        return Answer(405, {"error": "only POST"}, {"Allow": "POST"})
    if settings.secret is not None and (fault := signature_fault(settings.secret, call, moment.now)):
        return Answer(401, BODIES[401], reason=fault)
    if call.content_type != "application/json":
        return Answer(400, BODIES[400], reason="content type must be application/json")
    if not items or not all(isinstance(item.payload, dict) for item in items):
        return Answer(400, BODIES[400], reason="not an object with a list of events")
    if moment.refused:
        return Answer(400, BODIES[400], reason=f"events[{min(moment.refused)}] is refused by a fault")
    return Answer(200, {"accepted": len(items)}, accepted=items)


def signature_fault(secret: str, call: Call, now: float) -> str:
    """Why the request is not believed, or ""."""
    message, timestamp = call.headers.get("webhook-id", ""), call.headers.get("webhook-timestamp", "")
    if not message or not (timestamp.isascii() and timestamp.isdigit()):
        return "webhook-id and webhook-timestamp are required"
    if abs(now - int(timestamp[:18])) > TOLERANCE:
        return "webhook-timestamp is more than five minutes away"
    signed = f"{message}.{timestamp}.".encode() + call.body
    expected = base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256))
    for given in call.headers.get("webhook-signature", "").split():
        version, _, signature = given.partition(",")
        if version == "v1" and hmac.compare_digest(expected, signature.encode()):
            return ""
    return "no v1 signature matches"


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"a secret is {PREFIX} and base64") from error


def _item(event: Any) -> Item:
    fields = event if isinstance(event, dict) else {}
    visitor = text(fields.get("anonymousId")) or text(fields.get("userId"))
    return Item(text(fields.get("messageId")) or fingerprint(event), visitor, event)


def _hint(settings: WebhookSettings, url: str) -> dict[str, str]:
    return {"url": f"{url}/events"} | ({"secret": settings.secret} if settings.secret else {})


WEBHOOK = Vendor("webhook", WebhookSettings(), items, answer, _hint, BODIES)

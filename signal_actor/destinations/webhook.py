"""Webhook: any server that takes `{"events": [...]}`, so that whatever has no destination of its own can be fed.

Requests are signed by the Standard Webhooks specification: `webhook-signature` is "v1," and the base64 of
HMAC-SHA256(secret, "{webhook-id}.{webhook-timestamp}.{body}").
"""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256
from hmac import digest
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from signal_actor.delivery.rules import Outcome, Skipped
from signal_actor.destinations.base import Advice, Destination, Limits, Prepared, Reply, Request, Settings
from signal_actor.destinations.blame import blame
from signal_actor.destinations.payload import encode, message_id, prepared
from signal_actor.event import Event
from signal_actor.mapping import TYPES, Mapper

PREFIX = "whsec_"
RESERVED = frozenset({"content-type", "content-length", "host", "transfer-encoding", "connection"})
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

WHOLE = {"fields": {"*": "*"}}  # the event as it was accepted; a changed mapping may rename or leave out


def _secret(secret: SecretStr) -> SecretStr:
    try:
        if not _key(secret):
            raise ValueError("must not be empty")
    except binascii.Error:
        raise ValueError(f"must be base64 after {PREFIX}") from None
    return secret


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not TOKEN.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a header")
        if name.lower() in RESERVED or name.lower().startswith("webhook-"):
            raise ValueError(f"{name} is set by Signal Actor itself")
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"the value of {name} must be printable ASCII")
    return headers


class WebhookSettings(Settings):
    url: str = Field(
        title="URL",
        description="Where the events are posted.",
        pattern=r"^https?://[^\s/?#]+[^\s#]*$",
    )
    secret: Annotated[SecretStr, AfterValidator(_secret)] | None = Field(
        default=None,
        title="Secret",
        description=f"Signs each request by the Standard Webhooks specification: {PREFIX} and base64, or any text.",
    )
    headers: Annotated[dict[str, str], AfterValidator(_headers)] = Field(
        default_factory=dict,
        title="Headers",
        description="Sent with each request. They are shown in clear text, so prefer the secret to a token here.",
    )


def prepare(settings: WebhookSettings, mapper: Mapper, event: Event) -> Prepared | Skipped:
    message = message_id(event)
    mapped = mapper(event)
    if isinstance(mapped, Skipped):
        return mapped
    # The id always goes along, also where a changed mapping leaves it out: receivers recognise repeats by it.
    return prepared({**mapped.fields, "messageId": message}, notes=mapped.notes)


def build(settings: WebhookSettings, payloads: Sequence[Any], now: float) -> Request:
    """The same batch has the same webhook-id on every attempt, so a receiver that has seen it may ignore it."""
    body = encode({"events": list(payloads)})
    identity = "msg_" + sha256("\n".join(payload["messageId"] for payload in payloads).encode()).hexdigest()[:32]
    headers = {
        **settings.headers,
        "Content-Type": "application/json",
        "webhook-id": identity,
        "webhook-timestamp": str(int(now)),
    }
    if settings.secret:
        signed = f"{identity}.{int(now)}.".encode() + body
        headers["webhook-signature"] = "v1," + b64encode(digest(_key(settings.secret), signed, sha256)).decode()
    return Request("POST", _url(settings), headers, body)


def classify(payloads: Sequence[Any], reply: Reply) -> list[Outcome]:
    """By HTTP's rules; the specification's own is that 410 means the endpoint is gone and wants nothing any more."""
    return blame(payloads, reply, TROUBLESHOOTING)


def _url(settings: WebhookSettings) -> str:
    if settings.endpoint is None:
        return settings.url
    parts = urlsplit(settings.url)
    return settings.address("") + parts.path + (f"?{parts.query}" if parts.query else "")


def _key(secret: SecretStr) -> bytes:
    text = secret.get_secret_value()
    return b64decode(text.removeprefix(PREFIX), validate=True) if text.startswith(PREFIX) else text.encode()


TROUBLESHOOTING = (
    Advice("401 Unauthorized", "The receiver did not accept the signature or a header. Check the secret.", status=401),
    Advice("403 Forbidden", "The receiver did not accept the signature or a header. Check the secret.", status=403),
    Advice("404 Not Found", "The receiver does not know the URL. Check its path.", status=404),
    Advice(
        "410 Gone", "The receiver wants no more events. Remove the integration, or configure a new URL.", status=410
    ),
)

WEBHOOK = Destination(
    slug="webhook",
    name="Webhook",
    category="Custom",
    summary="Posts the events as they are, signed, to a server of your own.",
    settings=WebhookSettings,
    variants={"default": dict.fromkeys((*TYPES, "other"), WHOLE)},
    consent=(),
    limits=Limits(items=100, body_bytes=2_000_000),  # ours: room for the largest event, and for many small ones
    prepare=prepare,
    build=build,
    classify=classify,
    troubleshooting=TROUBLESHOOTING,
)

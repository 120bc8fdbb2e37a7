"""Webhook: signatures that a receiver can check, ids that last, and settings that cannot break a request."""

from typing import Any

import pytest
from destination_cases import event, payload, settings

from signal_actor.destinations.base import Request
from signal_actor.destinations.webhook import WEBHOOK

NOW = 1_614_265_330.9


def build(*messages: str, now: float = NOW, **config: Any) -> Request:
    payloads = [payload(WEBHOOK, event(messageId=message)) for message in messages]
    return WEBHOOK.build(settings(WEBHOOK, **config), payloads, now)


def test_the_signature_is_the_specifications() -> None:
    """Checked as the specification's reference libraries do it, written out once more."""
    import base64
    import hashlib
    import hmac

    request = build("evt_1", secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    content = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.{request.body.decode()}"
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    expected = base64.b64encode(hmac.new(key, content.encode(), hashlib.sha256).digest()).decode()
    assert request.headers["webhook-signature"] == f"v1,{expected}"
    assert request.headers["webhook-timestamp"] == "1614265330"
    raw = build("evt_1", secret="plain text")
    assert raw.headers["webhook-signature"] != request.headers["webhook-signature"]


def test_without_a_secret_there_is_no_signature_but_an_id() -> None:
    headers = build("evt_1", secret=None).headers
    assert "webhook-signature" not in headers
    assert headers["webhook-id"].startswith("msg_")


def test_a_batch_has_the_same_id_on_every_attempt_and_no_other_batch_has_it() -> None:
    one, again, other = build("a", "b"), build("a", "b", now=NOW + 60), build("a")
    assert one.headers["webhook-id"] == again.headers["webhook-id"]
    assert one.headers["webhook-timestamp"] != again.headers["webhook-timestamp"]
    assert one.headers["webhook-id"] != other.headers["webhook-id"]


def test_url_and_headers() -> None:
    request = build("a")
    assert request.url == "https://hooks.example.com/in?x=1"
    assert request.headers["X-Team"] == "shop"


@pytest.mark.parametrize(
    "config",
    [
        {"url": "ftp://example.com"},
        {"url": "example.com/in"},
        {"url": "https://exa mple.com"},
        {"secret": ""},
        {"secret": "whsec_"},
        {"secret": "whsec_not base64!"},
        {"headers": {"Webhook-Id": "mine"}},
        {"headers": {"content-type": "text/plain"}},
        {"headers": {"a b": "c"}},
        {"headers": {"a": "b\r\nc: d"}},
        {"headers": {"a": "ü"}},
    ],
)
def test_settings_that_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(config))):
        settings(WEBHOOK, **config)

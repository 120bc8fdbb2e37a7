"""The webhook's receiver: the Standard Webhooks specification, with its own test vector."""

import base64
import hashlib
import hmac
from typing import Any

import pytest
from pydantic import ValidationError

from signal_actor.sandbox.vendor import Answer, Call, Moment
from signal_actor.sandbox.webhook import WEBHOOK, WebhookSettings, signature_fault
from tests.sandbox.examples import ask, call, track

SECRET = "whsec_" + base64.b64encode(b"a secret of the tests, 32 bytes.").decode()
NOW = 1_800_000_000


def sign(body: bytes, *, id: str = "msg_1", timestamp: int = NOW, secret: str = SECRET) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    return "v1," + base64.b64encode(hmac.digest(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256)).decode()


def post(signature: str = "", *, timestamp: str = str(NOW), id: str = "msg_1", secret: str | None = SECRET) -> Answer:
    headers = {"webhook_id": id, "webhook_timestamp": timestamp, "webhook_signature": signature}
    request = call("/any/path", {"events": [track()]}, **headers)
    return ask(WEBHOOK, request, Moment(now=NOW), secret=secret)


BODY = call("/", {"events": [track()]}).body


def test_the_specifications_vector() -> None:
    body = b'{"test": 2432232314}'
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    request = Call("POST", "/", "", headers, body)
    assert signature_fault("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", request, 1614265330.0) == ""


def test_a_right_signature_among_others_is_enough() -> None:
    answer = post(f"v1a,{sign(BODY)} v1,bm9wZQ== {sign(BODY)}")
    assert (answer.status, answer.body) == (200, {"accepted": 1})


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "v1,",
        sign(BODY + b" "),
        sign(BODY, id="msg_2"),
        sign(BODY, timestamp=NOW + 1),
        sign(BODY)[3:],
        "v1,é",
        "v1a" + sign(BODY)[2:],
    ],
)
def test_a_wrong_signature_is_refused(signature: str) -> None:
    assert post(signature).status == 401


@pytest.mark.parametrize("timestamp", ["", "soon", "²", "9" * 400])
def test_a_timestamp_is_a_number(timestamp: str) -> None:
    assert post(sign(BODY), timestamp=timestamp).status == 401


@pytest.mark.parametrize(("age", "status"), [(-301, 401), (-300, 200), (300, 200), (301, 401)])
def test_a_timestamp_must_be_fresh(age: int, status: int) -> None:
    assert post(sign(BODY, timestamp=NOW - age), timestamp=str(NOW - age)).status == status


def test_without_a_secret_nothing_is_verified() -> None:
    assert post("", timestamp="", id="", secret=None).status == 200


def test_a_secret_must_be_base64() -> None:
    with pytest.raises(ValidationError):
        WebhookSettings(secret="whsec_not base64")


@pytest.mark.parametrize("document", [b"{", [], {}, {"events": []}, {"events": ["event"]}])
def test_what_is_no_list_of_events(document: Any) -> None:
    assert ask(WEBHOOK, call("/", document)).status == 400


def test_only_post() -> None:
    answer = ask(WEBHOOK, call("/", b"", method="GET"))
    assert (answer.status, answer.headers) == (405, {"Allow": "POST"})

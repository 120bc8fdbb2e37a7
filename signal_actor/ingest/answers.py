"""Answers: what the door says, in the documents' words and headers. CORS is on every answer, errors included."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from signal_actor.errors import Refusal
from signal_actor.wire import dumps

Headers = tuple[tuple[bytes, bytes], ...]

# Header names that the public browser SDKs put on a cross-origin request; one missing name loses all their events.
SDK_HEADERS = (
    "Content-Type, Authorization, Content-Encoding, AnonymousId, SentAt, X-Retry-Count, X-Write-Key, X-Enable-Debug,"
    " X-IP-Policy, Rsa-Recovered, Rsa-Retry-Attempt, Rsa-Retry-Reason, Rsa-Since-First-Attempt, Rsa-Since-Last-Attempt"
)
PREFLIGHT_SECONDS = b"7200"  # Chromium keeps no preflight longer

JSON: Headers = ((b"content-type", b"application/json"),)
ALWAYS: Headers = (
    (b"access-control-allow-credentials", b"true"),
    (b"access-control-expose-headers", b"Retry-After"),
    (b"vary", b"Origin"),
)
DOCUMENTED: Headers = (
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (b"access-control-allow-headers", b"Content-Type, Authorization"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, headers and a body."""

    status: int
    headers: Headers
    body: bytes

    def adding(self, *headers: tuple[bytes, bytes]) -> "Answer":
        return replace(self, headers=(*self.headers, *headers))


def json_answer(status: int, value: object) -> Answer:
    body = dumps(value).encode()
    return Answer(status, (*JSON, (b"content-length", b"%d" % len(body))), body)


ACCEPTED = json_answer(200, {"success": True})


def refusal(error: Refusal) -> Answer:
    """The document's error body. `code` repeats `error`: two public SDKs retry permanent errors without it."""
    answer = json_answer(error.status, {"error": error.code, "code": error.code, "message": error.message})
    if error.retry_after is not None:
        answer = answer.adding((b"retry-after", b"%d" % max(error.retry_after, 1)))
    if error.status == 401:
        answer = answer.adding((b"www-authenticate", b"Bearer"))
    if error.status == 415:
        answer = answer.adding((b"accept-encoding", b"gzip"))
    return answer


def with_cors(answer: Answer, origin: str | None) -> Answer:
    """The answer, readable for a page of this origin. A refusal that a page cannot read is retried for nothing."""
    return answer.adding(*_echo(origin), *ALWAYS, *DOCUMENTED)


def preflight(origin: str, methods: str) -> Answer:
    """The answer to OPTIONS, which carries no key and stores nothing."""
    return Answer(
        204,
        (
            *_echo(origin),
            *ALWAYS,
            (b"access-control-allow-methods", methods.encode()),
            (b"access-control-allow-headers", SDK_HEADERS.encode()),
            (b"access-control-max-age", PREFLIGHT_SECONDS),
        ),
        b"",
    )


def _echo(origin: str | None) -> Iterable[tuple[bytes, bytes]]:
    # The body of no answer holds anything about a person, so any page may read it; what is stored is another matter.
    return () if origin is None else ((b"access-control-allow-origin", origin.encode("latin-1", "replace")),)

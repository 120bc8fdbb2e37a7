"""Visitor: who a request is about, and the cookie that lets a browser's next request be about the same one."""

from typing import Any
from urllib.parse import quote
from uuid import uuid4

from signal_actor import event
from signal_actor.ingest.answers import Answer
from signal_actor.ingest.request import COOKIE, Request, believable
from signal_actor.live import PipelineSettings

COOKIE_SECONDS = 34_560_000  # 400 days: browsers keep no cookie longer


class Visitor:
    """The event's anonymousId, else the header's, else the cookie's, else the batch's `fallback`, else somebody new.

    Somebody new is one and the same for all events of a request, and only a browser can be new: a server that names
    neither user nor visitor would make every event a person of its own.
    """

    def __init__(self, request: Request, fallback: Any = None) -> None:
        self._request = request
        self._cookie = request.visitor
        self._known = request.told_visitor() or self._cookie or believable(fallback)
        self._browser = request.origin is not None or self._cookie is not None
        self._last: str | None = None

    def identify(self, parsed: event.Event) -> None:
        """Gives the event its anonymousId. Raises Refusal if nobody says whose event it is."""
        if "anonymousId" not in parsed:
            if self._known is None and self._browser:
                self._known = new_id()
            if self._known is not None:
                parsed["anonymousId"] = self._known
            elif "userId" not in parsed:
                raise event.invalid("anonymousId", "is required, or userId, when no browser sends the event")
        self._last = parsed.get("anonymousId")

    def recognise(self, stated: Any) -> str | None:
        """Who a request without events is about, if anybody: it makes nobody new."""
        self._last = believable(stated) or self._known
        return self._last

    def remembered(self, answer: Answer, settings: PipelineSettings) -> Answer:
        """The answer with the cookie that names the visitor of the last event."""
        if not self._browser or self._last is None:
            return answer
        return answer.adding(self._cookie_header(quote(self._last, safe=""), COOKIE_SECONDS, settings))

    def forgotten(self, answer: Answer, settings: PipelineSettings) -> Answer:
        """The answer that takes the cookie away."""
        return answer.adding(self._cookie_header("", 0, settings)) if self._browser else answer

    def _cookie_header(self, value: str, seconds: int, settings: PipelineSettings) -> tuple[bytes, bytes]:
        domain = f"; Domain={settings.cookie_domain}" if settings.cookie_domain else ""
        secure = "; Secure" if self._request.is_https() else ""
        attributes = f"Path=/; Max-Age={seconds}; HttpOnly; SameSite={settings.cookie_same_site}{domain}{secure}"
        return (b"set-cookie", f"{COOKIE}={value}; {attributes}".encode())


def new_id() -> str:
    """A UUID v4."""
    return str(uuid4())

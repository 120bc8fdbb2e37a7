"""Record: what is kept of an attempt. Bodies are bounded, secrets are removed, the outcome is one word."""

from collections.abc import Sequence

from signal_actor.delivery.rules import (
    Delivered,
    Misconfigured,
    Outcome,
    RefusedWhole,
    Rejected,
    Retry,
    Skipped,
    Snooze,
)
from signal_actor.destinations.base import Reply, Request, Settings, secret_values
from signal_actor.dispatch.preparation import Package
from signal_actor.store.outbox import Attempt

REQUEST_KEPT = 64 * 1024  # characters; a batch of a hundred typical events
REPLY_KEPT = 16 * 1024
ERROR_KEPT = 2_000

WORDS: dict[type[Outcome], str] = {
    Delivered: "delivered",
    Skipped: "skipped",
    Rejected: "rejected",
    RefusedWhole: "refused",
    Retry: "retry",
    Misconfigured: "misconfigured",
    Snooze: "interrupted",
}


class Recorder:
    """Writes attempts down for one integration, without its secrets."""

    def __init__(self, settings: Settings) -> None:
        # Longest first: a secret may be part of another.
        self._secrets = sorted(secret_values(settings), key=len, reverse=True)

    def __call__(
        self,
        batch: Sequence[Package],
        request: Request | None,
        reply: Reply | None,
        outcomes: Sequence[Outcome],
        *,
        started_at: int,
        duration_ms: int,
    ) -> Attempt:
        words = {WORDS[type(outcome)] for outcome in outcomes}
        notes = [f"event {parcel.key.row.event_id}: {note}" for parcel in batch for note in parcel.key.notes]
        return Attempt(
            started_at=started_at,
            duration_ms=duration_ms,
            status=reply.status if reply else None,
            outcome=words.pop() if len(words) == 1 else "partial",
            request_body=self._kept(request.body, REQUEST_KEPT) if request else None,
            response_body=self._kept(reply.body, REPLY_KEPT) if reply else None,
            error=self._kept("; ".join(dict.fromkeys([*reasons(outcomes), *notes])), ERROR_KEPT) or None,
            event_ids=[parcel.key.row.event_id for parcel in batch],
        )

    def redacted(self, text: str) -> str:
        """The text without this integration's secrets: vendors like to quote a wrong key."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def _kept(self, text: str | bytes, limit: int) -> str:
        if isinstance(text, bytes):
            text = text[: limit * 4].decode("utf-8", "replace").replace("\x00", "\N{REPLACEMENT CHARACTER}")
        text = self.redacted(text)
        return text if len(text) <= limit else f"{text[:limit]}... (cut off)"


def reasons(outcomes: Sequence[Outcome]) -> list[str]:
    """What the outcomes say, each once, in order."""
    found: dict[str, None] = {}
    for outcome in outcomes:
        match outcome:
            case Delivered(text) | Skipped(text) | Rejected(text) | RefusedWhole(text) | Misconfigured(text):
                found.setdefault(text)
            case Retry(text) | Snooze(text):
                found.setdefault(text)
    return [text for text in found if text]

"""Insider's answers: a 200 that lists, by the position of the user, what it did not take.

{"data": {"successful": {"count": 1},
          "fail": {"count": 1, "errors": {"users.1.events.0.event_params.*.required": ["...", "..."]}}}}
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from signal_actor.delivery.rules import Delivered, Outcome, Rejected
from signal_actor.destinations.base import Advice, Reply
from signal_actor.destinations.blame import WORDS, blame, misconfigured, read, refused, remedy, words

_POSITION = re.compile(r"users\.([0-9]{1,6})\.(.*)", re.DOTALL)


def classify(payloads: Sequence[Any], reply: Reply, advice: Sequence[Advice]) -> list[Outcome]:
    """One outcome per user. A user with one bad event fails as a whole, so each of its texts goes to that delivery."""
    if 200 <= reply.status < 300:
        return _accepted(payloads, reply, advice)
    if reply.status == 400 and remedy(reply, advice):  # the partner name: no fault of the data, though a 400
        return misconfigured(payloads, reply, advice)
    return blame(payloads, reply, advice)


def _accepted(payloads: Sequence[Any], reply: Reply, advice: Sequence[Advice]) -> list[Outcome]:
    answer = read(reply)
    if not isinstance(answer, dict):
        # A list of failures that was cut off hides whom it means: fewer users make a shorter list. A single one fits.
        if len(payloads) > 1 and reply.body.lstrip().startswith(b"{"):
            return refused(payloads, "Insider's answer was too long to read")
        return [Delivered("Insider's answer could not be read")] * len(payloads)
    data = answer.get("data")
    fail = data.get("fail") if isinstance(data, dict) else None
    if not isinstance(fail, dict) or not (fail.get("errors") or fail.get("count")):
        return [Delivered()] * len(payloads)
    reasons = _reasons(fail.get("errors"), len(payloads))
    if not reasons:  # it says that users failed, but not which: resending is safe, so smaller batches find out
        return refused(payloads, f"Insider refused some users without saying which: {words(reply)}".rstrip(": "))
    known = remedy(reply, advice)
    return [_outcome(reasons.get(index), known) for index in range(len(payloads))]


def _outcome(reasons: list[str] | None, known: str) -> Outcome:
    if reasons is None:
        return Delivered()
    said = "; ".join(dict.fromkeys(reasons))[:WORDS]
    return Rejected(f"{said}. {known}" if known and "must be specified" in said else said)


def _reasons(errors: Any, users: int) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for key, texts in errors.items() if isinstance(errors, Mapping) else ():
        position = _POSITION.fullmatch(key)
        if position and int(position[1]) < users:
            said = [text for text in texts if isinstance(text, str)] if isinstance(texts, list) else []
            found.setdefault(int(position[1]), []).extend(said or [position[2]])
    return found

"""Blame: whose fault an answer is, by HTTP's rules, and what the vendor said. A vendor's own rules come before these.

2xx        nobody's   Delivered
3xx        ours       Misconfigured: deliveries are never redirected
400, 413, 422, other 4xx
           the data   RefusedWhole, or Rejected where an event stands alone
401, 403, 404, 410, and what else a correct address would not say
           ours       Misconfigured, with the document's remedy
408, 425, 429, 5xx, and what else passes
           theirs     Retry, after as long as they ask for
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from signal_actor.delivery.rules import Delivered, Misconfigured, Outcome, RefusedWhole, Rejected, Retry
from signal_actor.destinations.base import Advice, Reply

LONGEST_WAIT = 3600.0  # seconds; a longer Retry-After is taken for a mistake
WORDS = 300  # characters of the vendor's words that are kept
READABLE = 4_000_000  # bytes; a longer answer is not read as JSON

PASSES = frozenset({408, 409, 421, 423, 425, 429})
OURS = frozenset({401, 402, 403, 404, 405, 406, 407, 410, 411, 414, 415, 426, 428, 431, 451})

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]+)?")
_TITLE = re.compile(r"<title[^>]*>([^<]*)", re.IGNORECASE)


def blame(payloads: Sequence[Any], reply: Reply, advice: Sequence[Advice] = ()) -> list[Outcome]:
    """One outcome per payload, by the status alone."""
    status = reply.status
    if 200 <= status < 300:
        return [Delivered()] * len(payloads)
    if status in PASSES or not 300 <= status < 500:
        return [Retry(cause(reply), retry_after(reply))] * len(payloads)
    if status in OURS or status < 400:
        return misconfigured(payloads, reply, advice)
    return refused(payloads, cause(reply))


def refused(payloads: Sequence[Any], reason: str) -> list[Outcome]:
    """The vendor will not have these. Which of several it means is found out by sending fewer."""
    return [Rejected(reason) if len(payloads) == 1 else RefusedWhole(reason)] * len(payloads)


def misconfigured(payloads: Sequence[Any], reply: Reply, advice: Sequence[Advice] = ()) -> list[Outcome]:
    """Our configuration is at fault; the remedy is the document's, if it knows one for this answer."""
    known = remedy(reply, advice)
    if not known and 300 <= reply.status < 400:
        known = "The address redirects; configure the one that it leads to."
    return [Misconfigured(f"{cause(reply)} {known}".strip())] * len(payloads)


def remedy(reply: Reply, advice: Sequence[Advice]) -> str:
    """What the document's troubleshooting table says about such an answer; "" if nothing."""
    text = reply.body[:READABLE].decode(errors="replace")
    for row in advice:
        if row.status == reply.status and (row.mark is None or row.mark in text):
            return row.remedy
    return ""


def cause(reply: Reply) -> str:
    """The status and the vendor's words, as one sentence."""
    said = words(reply)
    return f"HTTP {reply.status}: {said.rstrip('.')}." if said else f"HTTP {reply.status}."


def words(reply: Reply) -> str:
    """What the vendor says is wrong, from JSON, HTML or text, in one short line."""
    answer = read(reply)
    if answer is None:
        text = reply.body[: READABLE // 100].decode(errors="replace")
        if text.lstrip().startswith("<"):
            title = _TITLE.search(text)
            text = title[1] if title else ""
    else:
        text = ", ".join(dict.fromkeys(_said(answer, 0)))
    return " ".join(text.split())[:WORDS]


def read(reply: Reply) -> Any:
    """The answer's JSON; None if it is not JSON, cut off, or too big to be worth it."""
    if len(reply.body) > READABLE:
        return None
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        return None


def retry_after(reply: Reply) -> float | None:
    """The seconds that the vendor asks us to wait, at most an hour; None if it does not say."""
    text = reply.headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST_WAIT)
    until, sent = _date(text), _date(reply.headers.get("date", ""))
    return None if until is None or sent is None else min(max(until - sent, 0.0), LONGEST_WAIT)


def _date(text: str) -> float | None:
    try:
        found = parsedate_to_datetime(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _said(answer: Any, depth: int) -> list[str]:
    """Texts under the names that APIs use for what is wrong, codes before sentences."""
    if isinstance(answer, str):
        return [answer]
    if depth > 3:
        return []
    if isinstance(answer, list):
        return [text for each in answer[:3] for text in _said(each, depth + 1)]
    if not isinstance(answer, Mapping):
        return []
    names = ("code", "error", "errors", "message", "error_message", "detail", "title", "description", "reason")
    return [text for name in names if name in answer for text in _said(answer[name], depth + 1)]

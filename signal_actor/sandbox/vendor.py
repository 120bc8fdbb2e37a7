"""Vendor: what a fake vendor is, as a value of pure functions over requests.

A request passes through two of them:

    items(call)                            -> what it carries, one Item an event, user or record, good or bad
    answer(settings, call, items, moment)  -> what the vendor says, and which of the items it keeps

Both are total: whatever a request holds, they return, because a fake that falls over proves nothing about its client.
"""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field


class Malformed:
    """What `Call.document` is when the body is not JSON."""


MALFORMED: Final = Malformed()


@dataclass(frozen=True)
class Call:
    """One HTTP request, wholly received. Header names are lower case, the path is as sent, without its query."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def document(self) -> Any:
        """The body as JSON, or MALFORMED."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return MALFORMED

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


class Item(NamedTuple):
    """One event, user or record of a request: its stable id, whose it is ("" if nobody's), and what was sent."""

    id: str
    visitor: str
    payload: Any


@dataclass(frozen=True, slots=True)
class Moment:
    """What a rule may need to know beside the request.

    `now` is Unix time; `serial` numbers the vendor's requests; `recent` counts those in the vendor's rate window, this
    one included; `busy` are the visitors of this request whom another request in flight carries, too; `refused` are
    indices of items that a fault wants refused; `errors` are what earlier answers recorded, newest first.
    """

    now: float = 0.0
    serial: int = 1
    recent: int = 1
    busy: Sequence[str] = ()
    refused: frozenset[int] = frozenset()
    errors: Sequence[Mapping[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the vendor says. `reason` is the sandbox's own explanation for developers; vendors publish none.

    `errors` are what an asynchronous vendor finds out later and shows elsewhere.
    """

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    accepted: Sequence[Item] = ()
    reason: str = ""
    errors: Sequence[Mapping[str, str]] = ()


class Settings(BaseModel):
    """How a fake vendor is set up. A vendor adds its credentials and options."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    record: Literal["everything", "ids"] = Field(
        default="everything",
        description="What the ledger keeps; with `ids` no payloads, headers or items, for long runs.",
    )


S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Vendor(Generic[S]):
    """A fake vendor's rules.

    `bodies` are the published error bodies by status, for faults that give none. `window` is the vendor's rate window
    in seconds. `hint` turns settings and URL into the lines of an integration's `config` in a configuration file.
    """

    slug: str
    settings: S
    items: Callable[[Call], list[Item]]
    answer: Callable[[S, Call, Sequence[Item], Moment], Answer]
    hint: Callable[[S, str], Mapping[str, str]]
    bodies: Mapping[int, Any] = field(default_factory=dict)
    window: float = 1.0


def members(document: Any, key: str) -> list[Any]:
    """The list under `key`, or an empty one where there is none."""
    found = document.get(key) if isinstance(document, dict) else None
    return found if isinstance(found, list) else []


def text(value: Any) -> str:
    """`value` where it is a string, else ""."""
    return value if isinstance(value, str) else ""


def fingerprint(payload: Any) -> str:
    """Eight hexadecimal digits that stay the same as long as the payload does."""
    try:
        return f"{zlib.crc32(repr(payload).encode(errors='replace')):08x}"
    except RecursionError:
        return "deep"

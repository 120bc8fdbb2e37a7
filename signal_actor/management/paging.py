"""Paging: lists come in pages, and a page's cursor says where the next one begins."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from signal_actor.errors import Refusal
from signal_actor.store.ids import LARGEST

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """A part of a list. `next_cursor` goes into the query for the next part; null at the end."""

    data: list[T]
    next_cursor: str | None = None
    has_more: bool = False


class Paged(BaseModel):
    """The query of every list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, Field(ge=1, le=1000)] = 50
    cursor: str | None = None

    def after(self, parts: int = 1) -> list[int] | None:
        """The numbers that the cursor holds, so many. Raises Refusal (400) for one that we did not make."""
        if not self.cursor:
            return None
        try:
            value = json.loads(urlsafe_b64decode(self.cursor + "=" * (-len(self.cursor) % 4)))
            if not isinstance(value, list) or len(value) != parts:
                raise ValueError
            if not all(type(part) is int and abs(part) <= LARGEST for part in value):
                raise ValueError
        except (ValueError, RecursionError):
            raise Refusal(400, "invalid_payload", "cursor: is not one that this API gave out.") from None
        return value


def cursor(*position: int) -> str:
    """A cursor that holds these numbers."""
    return urlsafe_b64encode(json.dumps(position, separators=(",", ":")).encode()).rstrip(b"=").decode()


def part(data: list[T], following: tuple[int, ...] | None) -> Page[T]:
    """A page that somebody else cut, and the position where the next one begins, None at the end."""
    return Page(data=data, has_more=following is not None, next_cursor=cursor(*following) if following else None)


def cut(items: list[T], limit: int, position: Any) -> Page[T]:
    """A page of at most `limit` of the items, of which one more than that was asked for if there is one."""
    more = len(items) > limit
    shown = items[:limit]
    return Page(data=shown, has_more=more, next_cursor=cursor(*position(shown[-1])) if more else None)

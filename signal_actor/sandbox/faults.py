"""Faults: what goes wrong at a fake vendor, scripted beforehand.

A fault says what happens (status, delay, hang, cut), to which requests (contains, id), how often (times) and whether
the vendor kept the events (when):

    when     delay, hang                       status, cut
    before   waits, then handles the request   nothing is kept
    after    keeps, waits, then answers        kept, but the sender does not learn it

A client that goes away during a wait before is never heard; during a wait after, its events are stored nevertheless.
"""

import json
import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from signal_actor.sandbox.vendor import Call, Item


def _is_free(name: str) -> str:
    if name.lower() in ("content-length", "transfer-encoding"):
        raise ValueError("the server sets it; use `cut` to break an answer")
    return name


HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]+$"), AfterValidator(_is_free)]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[!-~]([ -~]*[!-~])?$")]


class Fault(BaseModel):
    """One scripted misfortune. Without `contains` and `id` it meets any request."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: int | None = Field(default=None, ge=200, le=599, description="Answer with this status.")
    body: Any = Field(
        default=None, description="JSON, or a text as it is; without one, the vendor's own for the status."
    )
    headers: dict[HeaderName, HeaderValue] = Field(default={}, description="Added to the answer, such as Retry-After.")
    delay: float = Field(default=0.0, ge=0, description="Seconds to wait.")
    hang: bool = Field(default=False, description="Never answer.")
    cut: Literal["silent", "midway"] | None = Field(
        default=None, description="Close the connection instead of answering, or in the middle of the answer."
    )
    reject: bool = Field(default=False, description="Refuse the matching items as the vendor refuses invalid ones.")
    when: Literal["before", "after"] = Field(default="before", description="Strike before or after events are kept.")
    times: int | None = Field(default=1, ge=1, description="How many requests it meets; null: until it is removed.")
    contains: str | None = Field(default=None, description="Only requests whose body contains this text.")
    id: str | None = Field(default=None, description="Only requests that carry the item of this id.")

    @property
    def wait(self) -> float:
        """Seconds, infinite for a hang."""
        return math.inf if self.hang else self.delay

    @property
    def loses(self) -> bool:
        """Whether the request is not stored."""
        return self.when == "before" and (self.status is not None or self.cut is not None)

    def meets(self, call: Call, items: Sequence[Item]) -> bool:
        """Whether it strikes this request."""
        if self.contains is not None and self.contains.encode() not in call.body:
            return False
        return self.id is None or any(item.id == self.id for item in items)

    def refused(self, items: Sequence[Item]) -> frozenset[int]:
        """Indices of the items that are refused."""
        return frozenset(i for i, item in enumerate(items) if self.reject and self._names(item))

    def _names(self, item: Item) -> bool:
        if self.id is not None and item.id != self.id:
            return False
        return self.contains is None or self.contains in json.dumps(item.payload, ensure_ascii=False)


class Faults:
    """A vendor's script. The first fault that meets a request strikes it, alone; then it counts as used."""

    def __init__(self) -> None:
        self._script: list[tuple[Fault, int]] = []  # and how often it struck

    def add(self, fault: Fault | None = None, /, **fields: Any) -> Fault:
        """Append a fault, given whole or by its fields."""
        fault = fault or Fault(**fields)
        self._script.append((fault, 0))
        return fault

    def clear(self) -> None:
        """Forget the script. What already struck goes on."""
        self._script.clear()

    @property
    def pending(self) -> list[Fault]:
        """What has still to strike, with the times that are left."""
        return [
            fault if fault.times is None else fault.model_copy(update={"times": fault.times - struck})
            for fault, struck in self._script
        ]

    def take(self, call: Call, items: Sequence[Item]) -> Fault | None:
        """The fault that strikes this request, used up by one."""
        for index, (fault, struck) in enumerate(self._script):
            if fault.meets(call, items):
                if fault.times is not None and struck + 1 >= fault.times:
                    del self._script[index]
                else:
                    self._script[index] = (fault, struck + 1)
                return fault
        return None

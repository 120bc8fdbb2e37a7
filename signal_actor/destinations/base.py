"""Destination: what a vendor is to us, as a value of pure functions. No I/O here or in any vendor's file.

A delivery passes through three of them:

    prepare(settings, mapper, event) -> Prepared | Skipped       one event becomes one payload
    build(settings, payloads, now)   -> Request                  payloads become one HTTP request; `now` is Unix time
    classify(payloads, reply)        -> one Outcome per payload  the vendor's answer, read
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from signal_actor.delivery.rules import Outcome, Skipped
from signal_actor.event import Event
from signal_actor.mapping import Mapper


def _in_a_header(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value().strip()  # a file that holds a key ends with a newline
    if not text or not text.isascii() or not text.isprintable():
        raise ValueError("must be printable ASCII and not empty")
    return SecretStr(text)


ApiKey = Annotated[SecretStr, AfterValidator(_in_a_header)]
"""A secret that travels in an HTTP header."""


class Settings(BaseModel):
    """An integration's `config`. A vendor adds its own fields; a secret is a `SecretStr`.

    A field's `title` is its label and its `description` its help text, in the catalogue and the install form.
    """

    # Errors must not repeat their input, which may be a secret.
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, hide_input_in_errors=True)

    endpoint: str | None = Field(
        default=None,
        title="Endpoint",
        description="Scheme, host, port and path prefix that replace the vendor's own.",
        pattern=r"^https?://[^\s/?#]+[^\s?#]*$",
    )

    def address(self, own: str) -> str:
        """Where requests go: scheme, host and path prefix without a slash at the end; `own` is the vendor's."""
        return (self.endpoint or own).rstrip("/")


def secret_values(settings: Settings) -> set[str]:
    """The secrets in an integration's settings, which must appear in no record, log or answer."""
    return {
        value.get_secret_value()
        for _, value in settings
        if isinstance(value, SecretStr) and len(value.get_secret_value()) > 3
    }


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, ready to send."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer. Header names are lower case; the body may be cut off, see `delivery/actor.py`.

    A `Retry-After` that is a date is read relative to the answer's own `date`; whoever receives an answer without one
    adds the time of receipt.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Prepared:
    """One event as the vendor wants it.

    `size` is the payload's length in bytes as JSON. `notes` say what was left out and why, for the attempt's record.
    """

    payload: Any
    size: int
    identify: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may hold, by the vendor's published rules. None: no such rule."""

    items: int = 100
    body_bytes: int | None = None
    identifies: int | None = None
    visitors: int | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """One row of a document's troubleshooting table. `status` and `mark` (a text in the answer) say when it applies."""

    symptom: str
    remedy: str
    status: int | None = None
    mark: str | None = None


S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Destination(Generic[S]):
    """A vendor. `variants` maps a variant's name to its mapping document (see `mapping.py`)."""

    slug: str
    name: str
    category: str
    summary: str
    settings: type[S]
    variants: Mapping[str, Mapping[str, Any]]
    consent: tuple[str, ...]
    limits: Limits
    prepare: Callable[[S, Mapper, Event], Prepared | Skipped]
    build: Callable[[S, Sequence[Any], float], Request]
    classify: Callable[[Sequence[Any], Reply], list[Outcome]]
    troubleshooting: Sequence[Advice] = field(default=())

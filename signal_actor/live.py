"""Live: what the running process knows about its pipelines and integrations. Values, read once and replaced whole.

The models are also what the configuration file and the Management API accept, so a range is written down once, here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema

from signal_actor import origins
from signal_actor.delivery.rules import Health
from signal_actor.destinations.base import Settings


def _network(value: object) -> IPv4Network | IPv6Network:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    if not isinstance(value, str):
        raise ValueError("must be a text in quotes")
    try:
        return ip_network(value)
    except ValueError:
        pass
    try:
        meant = ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f"{value} is no network, write it like 10.0.0.0/8 or 2001:db8::/32") from None
    raise ValueError(f"{value} names one host and a network, did you mean {meant}?")


def _plain(value: float) -> int | float:
    """60.0 as 60, which is how people write it."""
    return int(value) if value == int(value) else value


Origin = Annotated[str, AfterValidator(origins.normalise)]
Network = Annotated[
    IPv4Network | IPv6Network,
    PlainValidator(_network),
    PlainSerializer(str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["10.0.0.0/8"]}),
]
CookieDomain = Annotated[str, AfterValidator(origins.cookie_domain)]
Number = Annotated[float, Field(allow_inf_nan=False), PlainSerializer(_plain, when_used="json")]
Seconds = Annotated[Number, Field(gt=0, le=31_622_400)]  # a year: beyond it is a mistake, and arithmetic stays exact
Days = Annotated[Number, Field(ge=0, le=36_525)]


class Strict(BaseModel):
    """No unknown keys, and no guessing: "yes" is not true, and "5" is not a number."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


READERS = ("google", "tcf", "onetrust", "cookiebot")


def _browser_consent(text: str) -> str:
    """ "wait", "send", or one of them with the banners to read: "wait onetrust", "send manual"."""
    first, *rest = text.split() or [""]
    if first not in ("send", "wait"):
        raise ValueError('must be "send" or "wait", with the banners to read behind it, such as "wait onetrust"')
    if rest != ["manual"] and (wrong := [word for word in rest if word not in READERS]):
        raise ValueError(f"{wrong[0]} is no banner that can be read: {', '.join(READERS)}, or manual for none")
    return " ".join([first, *rest])


class Browser(Strict):
    """What datafly.js does on a pipeline's pages, unless their script tags say otherwise."""

    auto_page: bool = True
    batch_size: int = Field(default=10, ge=1, le=100)
    flush_ms: int = Field(default=1000, ge=0, le=60_000)
    consent: Annotated[str, AfterValidator(_browser_consent)] | None = None  # None: follows from default_consent
    mirror: Literal["", "ninetailed"] = ""


class PipelineSettings(Strict):
    """Who may send to a pipeline, how much, what its visitors' cookie looks like, and what its pages do."""

    allowed_origins: tuple[Origin, ...] = Field(default=(), strict=False)
    mode: Literal["production", "development"] = "production"
    rate_limit_rps: int = Field(default=1000, ge=1)
    default_consent: Literal["granted", "denied"] = "granted"
    ip_allowlist: tuple[Network, ...] = Field(default=(), strict=False)
    cookie_domain: CookieDomain = ""
    cookie_same_site: Literal["Lax", "Strict", "None"] = "Lax"
    browser: Browser = Browser()

    def admits(self, origin: str) -> bool:
        """Whether a browser on a page of this origin may send here."""
        return origins.admits(self.allowed_origins, origin, development=self.mode == "development")


class DeliveryPolicy(Strict):
    """How patiently, and how much at a time, an integration is served."""

    request_timeout_seconds: Seconds = 10
    retry_base_seconds: Seconds = 1
    retry_cap_seconds: Seconds = 300
    retry_window_seconds: Seconds = 259_200  # 72 hours
    max_in_flight: int = Field(default=4, ge=1, le=32)
    probe_seconds: Seconds = 30

    def overlaid(self, changes: Mapping[str, Any]) -> "DeliveryPolicy":
        """This policy with an integration's own values."""
        return DeliveryPolicy.model_validate({**self.model_dump(), **changes})


class Retention(Strict):
    """How long what is finished is kept, and how large the file may grow."""

    dedupe_hours: Number = Field(default=48, gt=0, le=8784)  # a year: every further day costs every event a look-up
    done_days: Days = 7
    dead_days: Days = 30
    max_bytes: int = Field(default=0, ge=0)  # 0: no bound
    min_free_bytes: int = Field(default=268_435_456, ge=0)


@dataclass(frozen=True, slots=True)
class Integration:
    """One pipeline's use of a vendor, as its actor needs it.

    `settings` is None if what is stored does not fit the vendor's code of today (a variant is gone, a field is new).
    Such an integration is misconfigured: it is owed its deliveries and `health_reason` says what to do.
    `removed`: it gets no new deliveries any more, and is here because some of its old ones are still open.
    """

    id: int
    pipeline_id: int
    pipeline: str
    slug: str
    name: str
    vendor: str
    variant: str
    enabled: bool
    settings: Settings | None
    consent_categories: tuple[str, ...]
    policy: DeliveryPolicy
    mappings: Mapping[str, Any]  # changes relative to the variant
    health: Health
    health_reason: str | None
    removed: bool


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One source of events. `integrations` are those that are not removed, enabled or not."""

    id: int
    slug: str
    name: str
    settings: PipelineSettings
    keys: tuple[str, ...]
    integrations: tuple[Integration, ...]


@dataclass(frozen=True, slots=True)
class Live:
    """Everything that is published, at one moment."""

    pipelines: Mapping[int, Pipeline] = field(default_factory=dict)
    by_key: Mapping[str, Pipeline] = field(default_factory=dict)
    integrations: Mapping[int, Integration] = field(default_factory=dict)
    retention: Retention = field(default_factory=Retention)

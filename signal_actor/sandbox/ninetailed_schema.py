"""Ninetailed, strict: the superset of fields that every official client of the vendor sends.

Source: the event schema of contentful/optimization (MIT). The server itself demands less, see `ninetailed.py`; whoever
passes this passes both of the vendor's clients, too.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError


def _exists(value: str) -> str:
    datetime.fromisoformat(value)
    return value


Time = Annotated[
    str,
    StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"),  # "+00:00" is invalid there
    AfterValidator(_exists),
]
Json = dict[str, Any]


class _Open(BaseModel):
    """An object whose further keys are free. Absent is fine where a default stands, null never is."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Page(_Open):
    path: str
    query: dict[str, str]
    referrer: str
    search: str
    url: str
    title: str = ""


class _Campaign(_Open):
    name: str = ""
    source: str = ""
    medium: str = ""
    term: str = ""
    content: str = ""


class _Gdpr(_Open):
    is_consent_given: bool = Field(alias="isConsentGiven")


class _Named(_Open):
    name: str


class _Versioned(_Named):
    version: str


class _Context(_Open):
    campaign: _Campaign
    gdpr: _Gdpr
    library: _Versioned
    locale: str
    app: _Versioned = _Versioned(name="", version="")
    user_agent: str = Field(default="", alias="userAgent")
    location: Json = {}
    page: _Page = _Page(path="", query={}, referrer="", search="", url="")
    screen: _Named = _Named(name="")


class _PageContext(_Context):
    page: _Page


class _ScreenContext(_Context):
    screen: _Named


class _Event(_Open):
    anonymous_id: str = Field(alias="anonymousId")
    user_id: str = Field(default="", alias="userId")
    channel: Literal["web", "mobile", "server"]
    message_id: str = Field(alias="messageId")
    timestamp: Time
    original_timestamp: Time = Field(alias="originalTimestamp")
    sent_at: Time = Field(alias="sentAt")
    context: _Context


class _Track(_Event):
    type: Literal["track"]
    event: str
    properties: Json


class _PageView(_Event):
    type: Literal["page"]
    context: _PageContext
    properties: _Page
    name: str = ""


class _Screen(_Event):
    type: Literal["screen"]
    context: _ScreenContext
    name: str
    properties: Json = {}


class _Identify(_Event):
    type: Literal["identify"]
    traits: Json


class _Component(_Event):
    type: Literal["component"]
    component_type: Literal["Entry", "Variable"] = Field(alias="componentType")


class _Other(_Event):
    type: Literal["group", "alias"]


_EVENT: TypeAdapter[Any] = TypeAdapter(
    Annotated[_Track | _PageView | _Screen | _Identify | _Component | _Other, Field(discriminator="type")]
)


def strict_fault(event: Any) -> str:
    """The first thing that the strict schema finds wrong with an event, or ""."""
    faults = strict_faults(event)
    return faults[0] if faults else ""


def strict_faults(event: Any) -> list[str]:
    """Everything that the strict schema finds wrong with an event, as `path: message`."""
    try:
        _EVENT.validate_python(event)
    except ValidationError as error:
        # The first part of the path is the union's tag, which is no key of the event.
        return [f"{'.'.join(map(str, fault['loc'][1:]))}: {fault['msg']}" for fault in error.errors()]
    return []

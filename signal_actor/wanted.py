"""Wanted: a pipeline or an integration as somebody wants it, checked against the catalogue.

What comes from the configuration file and what comes through the Management API pass through the same functions. They
collect problems instead of stopping at the first.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from signal_actor import mapping, secrets
from signal_actor.consent import CATEGORIES
from signal_actor.destinations.base import Destination, Settings
from signal_actor.destinations.registry import destinations
from signal_actor.live import DeliveryPolicy, PipelineSettings, Strict
from signal_actor.problems import Problems, no_such
from signal_actor.wire import STEERING

SLUG = re.compile(r"[a-z0-9][a-z0-9_-]*")
KEY = re.compile(r"[!-9;-~]+")  # printable ASCII without the colon, which ends a user name in a header

UNFIT = "Does not fit the catalogue; mend it, install its vendor's package again, or remove it"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Integration:
    """An integration that passed every check. `settings` holds the secrets themselves."""

    name: str
    vendor: str
    variant: str
    enabled: bool
    delivery_mode: str
    consent_categories: tuple[str, ...]
    settings: Settings
    delivery: Mapping[str, Any]  # its own values of DeliveryPolicy
    mappings: Mapping[str, Any]  # changes relative to the variant


@dataclass(frozen=True, slots=True)
class Pipeline:
    """A pipeline that passed every check. Without `keys`, those that it has are left alone."""

    name: str
    settings: PipelineSettings
    keys: tuple[str, ...] = ()
    integrations: Mapping[str, Integration] = field(default_factory=dict)


def _pipeline_key(text: str) -> str:
    if not KEY.fullmatch(text):
        raise ValueError("a pipeline key is made of printable ASCII without spaces and colons, such as dk_live_shop01")
    return text


def _category(text: str) -> str:
    if text not in CATEGORIES:
        raise ValueError(no_such(text, "consent category", CATEGORIES))
    return text


def _few(given: Any) -> Any:
    """Whoever sends thousands shall not have each explained."""
    if isinstance(given, list | tuple) and len(given) > len(CATEGORIES) ** 2:
        raise ValueError(f"{len(given)} are too many, there are {', '.join(CATEGORIES)}")
    return given


Category = Annotated[str, AfterValidator(_category)]


def _shown(text: str) -> str:
    if STEERING.search(text) or not {"\n", "\t"}.isdisjoint(text):
        raise ValueError("must not hold characters that cannot be seen, or that turn the order of letters around")
    return text


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_shown)]


class PipelineTable(PipelineSettings):
    """A pipeline as it is written."""

    name: Name | None = None
    pipeline_keys: tuple[Annotated[str, AfterValidator(_pipeline_key)], ...] = Field(default=(), strict=False)
    integrations: dict[str, Any] = Field(default_factory=dict)


class IntegrationTable(Strict):
    """An integration as it is written."""

    vendor: str
    name: Name | None = None
    variant: str = "default"
    enabled: bool = True
    delivery_mode: Literal["server_side"] = "server_side"
    consent_categories: Annotated[tuple[Category, ...] | None, BeforeValidator(_few)] = Field(
        default=None, strict=False
    )
    config: dict[str, Any] = Field(default_factory=dict)
    delivery: dict[str, Any] = Field(default_factory=dict)
    mappings: dict[str, Any] = Field(default_factory=dict)


def pipeline(
    slug: str, table: Mapping[str, Any], path: str, problems: Problems, *, resolve: secrets.Resolve
) -> Pipeline | None:
    """One pipeline with its integrations; None if there are problems with itself, which are added to the others."""
    checked = problems.checked(PipelineTable, table, path)
    written = table.get("integrations")
    integrations = each(
        written if isinstance(written, dict) else {},
        f"{path}.integrations",
        problems,
        lambda _, value, place: integration(value, place, problems, resolve=resolve),
    )
    if checked is None:
        return None
    return Pipeline(
        name=checked.name or re.sub("[-_]+", " ", slug).strip().capitalize(),
        settings=PipelineSettings.model_construct(
            **{name: getattr(checked, name) for name in PipelineSettings.model_fields}
        ),
        keys=tuple(dict.fromkeys(checked.pipeline_keys)),
        integrations=integrations,
    )


def integration(
    table: Mapping[str, Any], path: str, problems: Problems, *, resolve: secrets.Resolve
) -> Integration | None:
    """One integration; None if there are problems with it, which are added to the others."""
    checked = problems.checked(IntegrationTable, table, path)
    if checked is None:
        return None
    destination = catalogued(checked.vendor, path, problems)
    if destination is None:
        return None
    config = _resolved(destination, checked.config, f"{path}.config", problems, resolve)
    settings = fitting(checked.vendor, checked.variant, config, checked.mappings, path, problems)
    policy = problems.checked(DeliveryPolicy, checked.delivery, f"{path}.delivery")
    if settings is None or policy is None:
        return None
    chosen = checked.consent_categories
    return Integration(
        name=checked.name or destination.name,
        vendor=checked.vendor,
        variant=checked.variant,
        enabled=checked.enabled,
        delivery_mode=checked.delivery_mode,
        consent_categories=destination.consent if chosen is None else tuple(dict.fromkeys(chosen)),
        settings=settings,
        delivery=policy.model_dump(exclude_unset=True),
        mappings=checked.mappings,
    )


def fitting(
    vendor: str, variant: str, config: Mapping[str, Any], changes: Mapping[str, Any], path: str, problems: Problems
) -> Settings | None:
    """The vendor's settings, if vendor, variant, mapping changes and config fit the catalogue; else what does not."""
    destination = catalogued(vendor, path, problems)
    if destination is None:
        return None
    if variant not in destination.variants:
        problems.add(f"{path}.variant", no_such(variant, "variant", destination.variants))
    else:
        for words in mapping.check(mapping.merge(destination.variants[variant], changes)):
            problems.add(f"{path}.mappings", words)
    return problems.checked(destination.settings, config, f"{path}.config", secret=secrets.fields(destination.settings))


def catalogued(vendor: str, path: str, problems: Problems) -> Destination[Any] | None:
    """The vendor in the catalogue; None and a problem if it is not there."""
    if vendor not in destinations():
        problems.add(f"{path}.vendor", no_such(vendor, "vendor", destinations()))
    return destinations().get(vendor)


def unfit(problems: Problems) -> str | None:
    """Why an installed integration cannot be served and what to do about it; None if there is no problem."""
    return f"{UNFIT}: {problems.lines[0]}" if problems.lines else None


def each(
    tables: Mapping[str, Any], path: str, problems: Problems, check: Callable[[str, dict[str, Any], str], T | None]
) -> dict[str, T]:
    """Checks the tables below `path`, each named by a slug, and returns those without problems."""
    passed = {}
    for slug, table in tables.items():
        if not SLUG.fullmatch(slug):
            problems.add(f"{path}.{slug}", "a slug is made of a-z, 0-9, - and _, and starts with a letter or a digit")
        elif not isinstance(table, dict):
            problems.add(f"{path}.{slug}", "must be a table")
        elif (value := check(slug, table, f"{path}.{slug}")) is not None:
            passed[slug] = value
    return passed


def _resolved(
    destination: Destination[Any], config: dict[str, Any], path: str, problems: Problems, resolve: secrets.Resolve
) -> dict[str, Any]:
    """The config with its secrets fetched. One that cannot be had stays as it was written."""
    resolved = dict(config)
    for name in secrets.fields(destination.settings) & config.keys():
        try:
            resolved[name] = secrets.walk(config[name], resolve)
        except ValueError as error:
            problems.add(f"{path}.{name}", str(error))
    return resolved

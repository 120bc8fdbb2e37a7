"""Configuration: the TOML file, read and checked as a whole. Nothing is applied unless all of it is valid.

    text -> tables -> every key checked, problems collected -> Configuration, or a ConfigurationError with all of them

TOML has no null, which in a mapping's changes takes a rule or a row away. The file says it as `{ remove = true }`.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import Field

from signal_actor import secrets, wanted
from signal_actor.errors import ConfigurationError
from signal_actor.live import DeliveryPolicy, Retention, Strict
from signal_actor.problems import Problems

REMOVE = {"remove": True}


@dataclass(frozen=True, slots=True)
class Configuration:
    """A checked file. What it does not name is None or absent, and will be left alone."""

    pipelines: Mapping[str, wanted.Pipeline] = field(default_factory=dict)
    delivery: DeliveryPolicy | None = None
    retention: Retention | None = None


class File(Strict):
    """The outermost tables."""

    pipelines: dict[str, Any] = Field(default_factory=dict)
    delivery: dict[str, Any] | None = None
    retention: dict[str, Any] | None = None


def load(path: Path, environ: Mapping[str, str]) -> Configuration:
    """Reads and checks a file.

    Raises:
        ConfigurationError: one line per problem, each with the file, the key and the fix.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: not UTF-8 at byte {error.start}, save it as UTF-8") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from None
    return parse(text, file=str(path), resolve=secrets.references(environ, path.parent))


def parse(text: str, *, file: str, resolve: secrets.Resolve) -> Configuration:
    """Checks a file's text; `resolve` fetches the secrets that are kept elsewhere. Raises ConfigurationError."""
    try:
        tables = _mappings(tomllib.loads(text), lambda value: None if value == REMOVE else value)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file}: {_syntax(str(error))}") from None
    problems = Problems()
    configuration = _checked(tables, problems, resolve)
    problems.done(file)
    return configuration


def dumped(tables: Mapping[str, Any]) -> str:
    """Tables as the text of a configuration file."""
    return tomlkit.dumps(_mappings(tables, lambda value: REMOVE if value is None else value))


def _checked(tables: dict[str, Any], problems: Problems, resolve: secrets.Resolve) -> Configuration:
    file = problems.checked(File, tables, "")
    if file is None:  # what is inside of the well-formed tables is checked all the same
        file = File.model_validate({k: v for k, v in tables.items() if k in File.model_fields and isinstance(v, dict)})
    pipelines = wanted.each(
        file.pipelines,
        "pipelines",
        problems,
        lambda slug, table, path: wanted.pipeline(slug, table, path, problems, resolve=resolve),
    )
    _check_keys(pipelines, problems)
    return Configuration(
        pipelines=pipelines,
        delivery=None if file.delivery is None else problems.checked(DeliveryPolicy, file.delivery, "delivery"),
        retention=None if file.retention is None else problems.checked(Retention, file.retention, "retention"),
    )


def _mappings(tables: Any, change: Callable[[Any], Any], path: tuple[str, ...] = ()) -> Any:
    """The tables with `change` applied to everything inside of pipelines.*.integrations.*.mappings, and only there."""
    inside = len(path) > 5 and (path[0], path[2], path[4]) == ("pipelines", "integrations", "mappings")
    value = change(tables) if inside else tables
    if isinstance(value, dict) and value != REMOVE:
        return {key: _mappings(item, change, (*path, key)) for key, item in value.items()}
    return value


def _check_keys(pipelines: Mapping[str, wanted.Pipeline], problems: Problems) -> None:
    owners: dict[str, str] = {}
    for slug, pipeline in pipelines.items():
        for key in pipeline.keys:
            if (owner := owners.setdefault(key, slug)) != slug:
                problems.add(
                    f"pipelines.{slug}.pipeline_keys", f"{key} is also a key of pipelines.{owner}, give each its own"
                )


def _syntax(message: str) -> str:
    """tomllib's "Invalid value (at line 3, column 7)" with the place in front, as compilers say it."""
    found = re.fullmatch(r"(.*) \(at (.*)\)", message, re.DOTALL)
    words, place = found.groups() if found else (message, "")
    words = words[:1].lower() + words[1:]
    return f"{place}: {words}" if place else words

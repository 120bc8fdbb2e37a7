"""The docs name what there is: every option, every key of the configuration file, every rule, each with its default."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from pydantic import BaseModel

from signal_actor.alarms import Rules
from signal_actor.cli.serve import serve
from signal_actor.configuration import parse
from signal_actor.destinations.registry import destinations
from signal_actor.live import DeliveryPolicy, Retention
from signal_actor.wanted import IntegrationTable, PipelineTable

ROOT = Path(__file__).parents[1]
CONFIGURATION = ROOT / "docs/configuration.md"
MANAGEMENT = ROOT / "docs/management.md"


def rows(document: Path) -> dict[str, str]:
    """The tables' rows of settings: the name in the first column, the rest as it is written."""
    found = re.findall(r"^\| `(\w+)` \| (.*) \|$", document.read_text(), re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize("model", [PipelineTable, IntegrationTable, DeliveryPolicy, Retention])
def test_every_key_of_the_configuration_file_is_named(model: type[BaseModel]) -> None:
    assert names(model) - {"integrations"} <= set(rows(CONFIGURATION))


@pytest.mark.parametrize(
    ("document", "model"), [(CONFIGURATION, DeliveryPolicy), (CONFIGURATION, Retention), (MANAGEMENT, Rules)]
)
def test_defaults_are_as_the_tables_say(document: Path, model: type[BaseModel]) -> None:
    told = rows(document)
    for name, value in model().model_dump().items():
        assert told[name].startswith(f"`{value}`" if value != "" else "none"), name


def test_every_vendor_is_named_with_its_fields_and_presets() -> None:
    told = rows(CONFIGURATION)
    for slug, destination in destinations().items():
        assert names(destination.settings) - {"endpoint"} <= words(told[slug])
        assert set(destination.variants) <= words(told[slug])


def test_the_configuration_files_in_the_docs_can_be_read() -> None:
    (readme,) = (text for text in blocks(ROOT / "README.md", "toml") if "pipeline_keys" in text)
    mappings = next(text for text in blocks(CONFIGURATION, "toml") if "mappings" in text)
    read = parse(readme + mappings, file="shop.toml", resolve=lambda reference: "secret")
    assert set(read.pipelines["shop"].integrations) == {"ninetailed", "insider", "ometria"}
    assert read.pipelines["shop"].integrations["ometria"].mappings


def test_every_option_of_serve_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    for option in serve.params:
        assert f"`{option.opts[0]}`" in text
        assert f"`{option.envvar}`" in text or option.name == "ingest_bind"


def names(model: type[BaseModel]) -> set[str]:
    return set(model.model_fields)


def words(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)`", text))


def blocks(document: Path, language: str) -> Iterable[str]:
    return re.findall(rf"```{language}\n(.*?)```", document.read_text(), re.DOTALL)

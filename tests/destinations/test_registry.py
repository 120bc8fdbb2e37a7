"""The registry: the built-in destinations, and strangers that are clear about what is wrong with them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from signal_actor.destinations import form, registry
from signal_actor.destinations.base import Destination
from signal_actor.destinations.webhook import WEBHOOK
from signal_actor.errors import UsageError


class Entry:
    """What the registry needs of an installed package's entry point."""

    name, value, dist = "hook", "their.module:HOOK", None

    def __init__(self, load: Callable[[], Any]) -> None:
        self.load = load


def load(found: Any) -> Any:
    return registry.load([Entry(lambda: found)])  # type: ignore[list-item]


def test_the_built_in_ones() -> None:
    assert list(registry.load()) == ["ninetailed", "insider", "ometria", "webhook"]


def test_a_stranger_is_welcome() -> None:
    stranger = replace(WEBHOOK, slug="hook")
    assert load(stranger)["hook"] is stranger


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (WEBHOOK, "the slug 'webhook' is taken"),
        ("no destination", "is no Destination"),
        (replace(WEBHOOK, slug="hook", variants={}), "no variant 'default'"),
        (replace(WEBHOOK, slug="hook", variants={"default": {"other": {"fields": {"a": 5}}}}), "other.fields.a"),
    ],
)
def test_a_stranger_that_is_wrong_is_named(found: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        load(found)
    assert "'hook'" in str(caught.value)


def test_one_that_cannot_be_loaded_is_named_too() -> None:
    def broken() -> Destination[Any]:
        raise ImportError("no module named stranger")

    with pytest.raises(UsageError, match="no module named stranger"):
        registry.load([Entry(broken)])  # type: ignore[list-item]


def test_the_form_of_a_destination() -> None:
    fields = form.fields(registry.load()["insider"])
    assert [(field["key"], field["type"], field["required"], field["secret"]) for field in fields] == [
        ("api_key", "secret", True, True),
        ("partner_name", "string", True, False),
        ("uuid_source", "choice", False, False),
        ("endpoint", "url", False, False),
    ]
    assert fields[2]["options"] == ["user_id_or_anonymous_id", "user_id"]
    assert {f["key"]: f["type"] for f in form.fields(WEBHOOK)} == {
        "url": "url", "secret": "secret", "headers": "map", "endpoint": "url",
    }  # fmt: skip

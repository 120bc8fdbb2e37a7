"""Drafts, publishing and rollback; installing, changing, removing, pausing; pipelines and their keys."""

import sqlite3
from typing import Any

import pytest

from signal_actor.errors import ConfigurationError, Refusal
from signal_actor.live import Integration
from signal_actor.secrets import Box
from signal_actor.store import audit, installed, integrations, keys, pipelines, revisions

NOW = 1_700_000_000_000
REFERENCE = "env: and file: are for the configuration file, give the secret itself"
WHO: dict[str, Any] = {"author": "ann", "now": NOW}
INSIDER = {
    "name": "Insider",
    "variant": "default",
    "vendor": "insider",
    "config": {"api_key": "hunter2", "partner_name": "myco"},
    "delivery_mode": "server_side",
}


class Store:
    """A store with one pipeline, `shop`."""

    def __init__(self, connection: sqlite3.Connection, box: Box) -> None:
        self.connection, self.box = connection, box
        self.shop = pipelines.create_pipeline(connection, "shop", {"rate_limit_rps": 5}, **WHO)

    def install(self, slug: str | None = None, *, publish: bool = True, **changes: Any) -> int:
        table = {**INSIDER, **changes}
        return integrations.install(self.connection, self.shop, slug, table, self.box, publish=publish, **WHO)

    def patch(self, integration_id: int, patch: dict[str, Any], *, publish: bool = True) -> None:
        integrations.patch_integration(self.connection, integration_id, patch, self.box, publish=publish, **WHO)

    def remove(self, integration_id: int, *, publish: bool = True) -> None:
        integrations.remove_integration(self.connection, integration_id, publish=publish, **WHO)

    def publish(self) -> int:
        return revisions.publish(self.connection, self.shop, self.box, **WHO)

    def rollback(self, number: int) -> int:
        return revisions.rollback(self.connection, self.shop, number, self.box, **WHO)

    def live(self) -> dict[str, Integration]:
        return {item.slug: item for item in pipelines.live(self.connection, self.box).integrations.values()}

    def shown(self, integration_id: int) -> installed.Shown:
        return installed.shown(self.connection, integration_id, self.box)

    def numbers(self) -> list[int]:
        return [revision.number for revision in revisions.revisions(self.connection, self.shop)]


@pytest.fixture
def store(connection: sqlite3.Connection, box: Box) -> Store:
    return Store(connection, box)


def secret(item: Integration) -> str:
    return str(item.settings.api_key.get_secret_value())  # type: ignore[union-attr]


def test_a_new_pipeline_is_live_with_a_key(store: Store) -> None:
    live = pipelines.live(store.connection, store.box)
    (pipeline,) = live.by_key.values()
    assert (pipeline.slug, pipeline.name, pipeline.settings.rate_limit_rps) == ("shop", "Shop", 5)
    assert store.numbers() == [1]


@pytest.mark.parametrize(
    ("slug", "table", "said"),
    [
        ("shop", {}, "pipelines.shop: there is a pipeline with this slug, choose another"),
        ("Shop", {}, "pipelines.Shop: a slug is made of a-z, 0-9, - and _, and starts with a letter or a digit"),
        ("blog", {"mode": 1}, "pipelines.blog.mode: must be 'production' or 'development', not 1"),
        (
            "blog",
            {"pipeline_keys": ["dk_1"]},
            "pipelines.blog.pipeline_keys: dk_1 is a key of pipelines.shop, choose another",
        ),
        (
            "blog",
            {"integrations": {}},
            "pipelines.blog.integrations: integrations are installed by themselves, leave them out",
        ),
    ],
)
def test_a_pipeline_that_cannot_be(store: Store, slug: str, table: dict[str, Any], said: str) -> None:
    keys.put(store.connection, store.shop, ["dk_1"], now=NOW)
    with pytest.raises(ConfigurationError) as raised:
        pipelines.create_pipeline(store.connection, slug, table, **WHO)
    assert str(raised.value) == said


def test_the_documents_install_is_live_at_once(store: Store) -> None:
    installed = store.install()
    insider = store.live()["insider"]
    assert (insider.id, insider.name, insider.enabled, secret(insider)) == (installed, "Insider", True, "hunter2")
    assert insider.consent_categories == ("marketing",)
    assert store.shown(installed).table["config"] == {"api_key": "***", "partner_name": "myco"}
    assert store.numbers() == [2, 1]


def test_a_second_one_of_a_vendor_is_numbered(store: Store) -> None:
    store.install()
    store.install()
    assert list(store.live()) == ["insider", "insider-2"]
    with pytest.raises(ConfigurationError, match="there is an integration with this slug, choose another"):
        store.install("insider")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"vendor": "insidr"},
            "integrations.insidr.vendor: no such vendor: 'insidr', did you mean insider? "
            "there are ninetailed, insider, ometria, webhook",
        ),
        (
            {"config": {"api_key": "env:HOME", "partner_name": "myco"}},
            f"integrations.insider.config.api_key: {REFERENCE}",
        ),
        ({"config": {"api_key": "hunter2"}}, "integrations.insider.config.partner_name: missing"),
        (
            {"colour": "x"},
            "integrations.insider.colour: unknown key, there are vendor, name, variant, enabled, delivery_mode, "
            "consent_categories, config, delivery, mappings",
        ),
    ],
)
def test_an_integration_that_cannot_be_leaves_nothing_behind(store: Store, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        store.install(**changes)
    assert str(raised.value) == said
    assert store.connection.execute("select count(*) from integration").fetchone()[0] == 0


def test_a_draft_is_not_live_before_it_is_published(store: Store) -> None:
    installed = store.install(publish=False)
    store.patch(installed, {"name": "Other"}, publish=False)
    assert store.live() == {} and store.numbers() == [1]
    assert not store.shown(installed).published and store.shown(installed).edited
    assert store.publish() == 2
    assert (store.live()["insider"].id, store.live()["insider"].name) == (installed, "Other")
    assert revisions.draft(store.connection, store.shop) is None
    assert store.publish() == 2, "nothing to publish"
    assert store.shown(installed).published and not store.shown(installed).edited


def test_saving_at_once_leaves_the_rest_of_the_draft_alone(store: Store) -> None:
    first = store.install("first")
    store.patch(first, {"name": "Edited"}, publish=False)
    second = store.install("second")
    assert store.live()["first"].name == "Insider"
    assert store.live()["second"].id == second
    assert store.shown(first).table["name"] == "Edited"
    store.publish()
    assert [item.name for item in store.live().values()] == ["Edited", "Insider"]


def test_a_draft_that_is_edited_back_is_none(store: Store) -> None:
    installed = store.install()
    store.patch(installed, {"enabled": False}, publish=False)
    store.patch(installed, {"enabled": True}, publish=False)
    assert revisions.draft(store.connection, store.shop) is None


def test_a_patch_keeps_what_it_does_not_name(store: Store) -> None:
    installed = store.install(delivery={"max_in_flight": 2}, mappings={"page": {"name": "seen"}})
    store.patch(installed, {"config": {"partner_name": "other", "api_key": "***"}, "delivery": {"probe_seconds": 5}})
    insider = store.live()["insider"]
    assert (secret(insider), insider.settings.partner_name) == ("hunter2", "other")  # type: ignore[union-attr]
    assert (insider.policy.max_in_flight, insider.policy.probe_seconds) == (2, 5)
    assert insider.mappings == {"page": {"name": "seen"}}
    store.patch(
        installed, {"mappings": {"identify": None}, "delivery": {"max_in_flight": None}, "config": {"api_key": "k"}}
    )
    insider = store.live()["insider"]
    assert insider.mappings == {"identify": None}
    assert (insider.policy.max_in_flight, secret(insider)) == (4, "k")


def test_a_patch_of_nothing_is_no_revision(store: Store) -> None:
    installed = store.install()
    store.patch(installed, {"config": {"api_key": "hunter2"}})
    assert store.numbers() == [2, 1]


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        (
            {"vendor": "ometria", "config": {"partner_name": None}},
            "integrations.insider.vendor: another vendor is another integration, remove this one and install that",
        ),
        (
            {"config": {"api_key": "file:/etc/passwd"}},
            f"integrations.insider.config.api_key: {REFERENCE}",
        ),
        ({"variant": "gone"}, "integrations.insider.variant: no such variant: 'gone', there are default, ecommerce"),
        ({"enabled": 1}, "integrations.insider.enabled: must be true or false, not 1"),
    ],
)
def test_a_patch_that_cannot_be(store: Store, patch: dict[str, Any], said: str) -> None:
    installed = store.install()
    with pytest.raises(ConfigurationError) as raised:
        store.patch(installed, patch)
    assert str(raised.value) == said


def test_removing_and_installing_again_is_a_fresh_start_with_its_history(store: Store) -> None:
    installed = store.install()
    integrations.pause(store.connection, installed, **WHO)
    store.remove(installed)
    assert store.live() == {}
    with pytest.raises(Refusal):
        store.shown(installed)
    assert store.install() == installed
    assert store.live()["insider"].health == "ok"


def test_a_removal_can_wait_in_the_draft(store: Store) -> None:
    installed = store.install()
    store.remove(installed, publish=False)
    assert "insider" in store.live()
    store.publish()
    assert store.live() == {}


def test_rollback_brings_back_what_was(store: Store) -> None:
    installed = store.install()
    store.patch(installed, {"config": {"api_key": "wrong"}})
    store.remove(installed)
    second = store.install(vendor="ometria", slug="insider", config={"api_key": "k"})
    assert second != installed
    assert store.rollback(2) == 6
    assert (store.live()["insider"].id, secret(store.live()["insider"])) == (installed, "hunter2")
    assert store.numbers() == [6, 5, 4, 3, 2, 1]
    assert revisions.revisions(store.connection, store.shop)[0].note == "rollback to 2"
    store.rollback(1)
    assert store.live() == {}
    with pytest.raises(Refusal, match="There is no revision 99 of this pipeline"):
        store.rollback(99)


def test_rollback_does_not_bring_a_revoked_key_back(store: Store) -> None:
    leaked = keys.create_key(store.connection, store.shop, **WHO)
    store.install()
    keys.revoke_key(store.connection, store.shop, leaked, **WHO)
    store.rollback(1)
    assert leaked not in pipelines.live(store.connection, store.box).by_key
    with pytest.raises(Refusal, match="no such key"):
        keys.revoke_key(store.connection, store.shop, leaked, **WHO)


def test_rollback_to_what_does_not_fit_today_is_refused(store: Store) -> None:
    store.install()
    store.patch(store.live()["insider"].id, {"name": "Other"})
    store.connection.execute(
        "update revision set document = json_set(document, '$.integrations.insider.variant', 'gone') where number = 2"
    )
    with pytest.raises(ConfigurationError, match=r"^integrations\.insider\.variant: no such variant: 'gone'"):
        store.rollback(2)
    assert store.live()["insider"].name == "Other"


def test_a_vendor_that_is_gone_holds_up_nobody_else(store: Store) -> None:
    store.install()
    store.connection.execute("update integration set vendor = 'gone'")
    store.connection.execute(
        "update revision set document = json_set(document, '$.integrations.insider.vendor', 'gone') where number = 2"
    )
    added = store.install("second", publish=False)
    store.publish()
    assert store.live()["second"].id == added
    (gone,) = store.connection.execute("select id from integration where vendor = 'gone'").fetchone()
    assert (store.shown(gone).slug, store.shown(gone).table["config"]["api_key"]) == ("insider", "***")
    integrations.pause(store.connection, gone, **WHO)
    integrations.resume(store.connection, gone, **WHO)
    assert store.shown(gone).health == "misconfigured"
    assert "no such vendor: 'gone'" in str(store.shown(gone).health_reason)
    store.remove(gone)
    assert list(store.live()) == ["second"]


def test_a_person_pauses_and_resumes(store: Store) -> None:
    installed = store.install()
    integrations.pause(store.connection, installed, **WHO)
    integrations.note_health(store.connection, installed, "ok", None, now=NOW)
    assert store.live()["insider"].health == "paused", "no probe overrules a person"
    integrations.resume(store.connection, installed, **WHO)
    integrations.note_health(store.connection, installed, "misconfigured", "401: wrong key", now=NOW + 1)
    integrations.note_health(store.connection, installed, "misconfigured", "401: wrong key", now=NOW + 2)
    shown = store.shown(installed)
    assert (shown.health, shown.health_reason, shown.health_since) == ("misconfigured", "401: wrong key", NOW + 1)
    store.patch(installed, {"config": {"api_key": "right"}})
    assert store.live()["insider"].health == "ok"


def test_a_pipeline_is_edited_and_published(store: Store) -> None:
    patch = {"allowed_origins": ["https://Shop.example.com"], "rate_limit_rps": None}
    pipelines.patch_pipeline(store.connection, store.shop, patch, publish=False, **WHO)
    assert pipelines.live(store.connection, store.box).pipelines[store.shop].settings.rate_limit_rps == 5
    store.publish()
    settings = pipelines.live(store.connection, store.box).pipelines[store.shop].settings
    assert (settings.allowed_origins, settings.rate_limit_rps) == (("https://shop.example.com",), 1000)
    with pytest.raises(ConfigurationError, match=r"^pipelines\.shop\.rate_limit_rps: must be at least 1, not 0$"):
        pipelines.patch_pipeline(store.connection, store.shop, {"rate_limit_rps": 0}, publish=True, **WHO)
    with pytest.raises(ConfigurationError, match="keys are issued and revoked by themselves"):
        pipelines.patch_pipeline(store.connection, store.shop, {"pipeline_keys": []}, publish=True, **WHO)


def test_a_deleted_pipeline_is_gone_and_its_slug_free(store: Store) -> None:
    installed = store.install()
    (key,) = keys.of(store.connection, store.shop)
    pipelines.delete_pipeline(store.connection, store.shop, **WHO)
    live = pipelines.live(store.connection, store.box)
    assert (live.pipelines, live.by_key, live.integrations) == ({}, {}, {})
    for verb in (
        lambda: store.install(),
        lambda: store.shown(installed),
        lambda: store.publish(),
        lambda: keys.create_key(store.connection, store.shop, **WHO),
        lambda: pipelines.delete_pipeline(store.connection, store.shop, **WHO),
    ):
        with pytest.raises(Refusal) as raised:
            verb()
        assert (raised.value.status, raised.value.code) == (404, "not_found")
    again = pipelines.create_pipeline(store.connection, "shop", {"pipeline_keys": [key]}, **WHO)
    assert again != store.shop, "and its key can be given again"


def test_everything_is_on_record_without_secrets(store: Store) -> None:
    installed = store.install()
    store.patch(installed, {"config": {"api_key": "hunter3"}})
    integrations.pause(store.connection, installed, **WHO)
    store.remove(installed)
    lines = audit.lines(store.connection)
    assert [line.action for line in reversed(lines)] == [
        "create pipeline",
        "publish",
        "install",
        "publish",
        "change",
        "publish",
        "pause",
        "remove",
        "publish",
    ]
    assert "hunter" not in repr(lines)
    assert "hunter" not in "\n".join(store.connection.iterdump())
    assert [line.id for line in audit.lines(store.connection, limit=2, before=lines[1].id)] == [
        lines[2].id,
        lines[3].id,
    ]

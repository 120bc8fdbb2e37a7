"""Configuration as code: a plan tells what changes, applying twice changes nothing, exporting loses nothing."""

import sqlite3
from typing import Any

import pytest

from signal_actor.configuration import Configuration, dumped, parse
from signal_actor.errors import ConfigurationError, UsageError
from signal_actor.live import DeliveryPolicy, Live, Retention
from signal_actor.secrets import Box
from signal_actor.store import audit, installed, integrations, keys, pipelines, plans, revisions
from signal_actor.wanted import UNFIT

NOW = 1_700_000_000_000
SHOP = """
[pipelines.shop]
pipeline_keys = ["dk_shop"]
rate_limit_rps = 5
[pipelines.shop.integrations.ninetailed]
vendor = "ninetailed"
[pipelines.shop.integrations.ninetailed.config]
organization_id = "org"
environment_slug = "main"
[pipelines.shop.integrations.insider]
vendor = "insider"
[pipelines.shop.integrations.insider.config]
api_key = "hunter2"
partner_name = "myco"
[pipelines.shop.integrations.insider.delivery]
max_in_flight = 2
[pipelines.shop.integrations.insider.mappings.track]
"Order Completed" = { remove = true }
"Sale" = { name = "purchase", fields = {} }
"""
OMETRIA = {"vendor": "ometria", "variant": "retail", "config": {"api_key": "swordfish"}}


def read(text: str, **environ: str) -> Configuration:
    def resolve(secret: str) -> str:
        return environ[secret.removeprefix("env:")] if secret.startswith("env:") else secret

    return parse(text, file="shop.toml", resolve=resolve)


class Shop:
    """The store with a configuration file in front of it."""

    def __init__(self, connection: sqlite3.Connection, box: Box) -> None:
        self.connection, self.box = connection, box

    def apply(self, text: str, **environ: str) -> list[str]:
        wanted = read(text, **environ)
        planned = [str(change) for change in plans.plan(self.connection, wanted, self.box)]
        changes = plans.apply(self.connection, wanted, self.box, author="file", now=NOW)
        assert len(planned) == len(changes)
        assert plans.apply(self.connection, wanted, self.box, author="file", now=NOW) == [], "a second time is nothing"
        assert plans.plan(self.connection, wanted, self.box) == []
        return [str(change) for change in changes]

    def live(self) -> Live:
        return pipelines.live(self.connection, self.box)

    def integration(self, slug: str) -> Any:
        return next(item for item in self.live().integrations.values() if item.slug == slug)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self.connection.execute(sql)]

    def install(self, table: dict[str, Any], *, publish: bool = True) -> int:
        return integrations.install(self.connection, 1, None, table, self.box, publish=publish, author="ann", now=NOW)


@pytest.fixture
def shop(connection: sqlite3.Connection, box: Box) -> Shop:
    return Shop(connection, box)


def test_a_new_pipeline_is_live(shop: Shop) -> None:
    assert shop.apply(SHOP) == [
        "+ pipelines.shop Shop",
        "+ pipelines.shop.integrations.ninetailed ninetailed, default",
        "+ pipelines.shop.integrations.insider insider, default",
        "+ pipelines.shop.pipeline_keys dk_shop",
    ]
    live = shop.live()
    pipeline = live.by_key["dk_shop"]
    assert (pipeline.slug, pipeline.name, pipeline.settings.rate_limit_rps) == ("shop", "Shop", 5)
    assert [item.slug for item in pipeline.integrations] == ["ninetailed", "insider"]
    insider = shop.integration("insider")
    assert insider.settings.api_key.get_secret_value() == "hunter2"
    assert insider.policy == DeliveryPolicy(max_in_flight=2)
    assert insider.consent_categories == ("marketing",)
    assert insider.mappings["track"]["Order Completed"] is None
    assert (insider.enabled, insider.health, insider.removed, insider.pipeline) == (True, "ok", False, "shop")
    assert shop.rows("select number, author, note from revision") == [(1, "file", "configuration file")]


def test_one_change_is_one_line_and_one_revision(shop: Shop) -> None:
    shop.apply(SHOP)
    ids = shop.rows("select id, slug from integration")
    changed = SHOP.replace("rate_limit_rps = 5", 'allowed_origins = ["https://a.example"]').replace("myco", "other")
    changed = changed.replace("hunter2", "hunter3").replace("max_in_flight = 2", "").replace("purchase", "buy")
    assert shop.apply(changed) == [
        '~ pipelines.shop.allowed_origins [] -> ["https://a.example"]',
        "~ pipelines.shop.rate_limit_rps 5 -> 1000",
        '~ pipelines.shop.integrations.insider.config.partner_name "myco" -> "other"',
        "~ pipelines.shop.integrations.insider.config.api_key changed",
        "- pipelines.shop.integrations.insider.delivery.max_in_flight 2",
        '~ pipelines.shop.integrations.insider.mappings.track.Sale.name "purchase" -> "buy"',
    ]
    assert shop.rows("select id, slug from integration") == ids
    assert shop.rows("select revision from pipeline") == [(2,)]
    assert shop.integration("insider").settings.api_key.get_secret_value() == "hunter3"


def test_nothing_readable_holds_a_secret(shop: Shop) -> None:
    shop.apply(SHOP)
    shop.apply(SHOP.replace("hunter2", "hunter3"))
    dump = "\n".join(shop.connection.iterdump())
    assert "hunter" not in dump
    assert "hunter" not in repr(shop.live())
    assert "hunter" not in dumped(plans.export(shop.connection, shop.box))


def test_what_the_file_does_not_name_is_left_alone(shop: Shop) -> None:
    shop.apply(SHOP)
    shop.install(OMETRIA)
    shop.apply("[pipelines.blog]")
    assert shop.apply(SHOP) == []
    assert [pipeline.slug for pipeline in shop.live().pipelines.values()] == ["shop", "blog"]
    assert [item.slug for item in shop.live().pipelines[1].integrations] == ["ninetailed", "insider", "ometria"]


def test_an_integration_that_leaves_the_file_is_removed_and_comes_back_as_itself(shop: Shop) -> None:
    shop.apply(SHOP)
    before = shop.integration("insider").id
    shorter = SHOP[: SHOP.index("[pipelines.shop.integrations.insider]")]
    assert shop.apply(shorter) == ["- pipelines.shop.integrations.insider insider"]
    assert shop.rows("select slug, deleted_at from integration") == [("ninetailed", None), ("insider", NOW)]
    assert shop.apply(SHOP) == ["+ pipelines.shop.integrations.insider insider, default"]
    assert shop.integration("insider").id == before, "so that what it is owed is delivered after all"


def test_a_removed_integration_is_live_until_nothing_is_open(shop: Shop) -> None:
    shop.apply(SHOP)
    insider = shop.integration("insider").id
    shop.connection.execute(
        "insert into event (id, pipeline_id, received_at, type, message_id, payload)"
        " values (1, 1, 0, 'page', 'm', '{}')"
    )
    shop.connection.execute(
        "insert into delivery (event_id, integration_id, visitor, due_at, window_from) values (1, ?, 1, 0, 0)",
        (insider,),
    )
    shop.apply(SHOP[: SHOP.index("[pipelines.shop.integrations.insider]")])
    assert shop.live().integrations[insider].removed
    assert insider not in {item.id for item in shop.live().pipelines[1].integrations}
    shop.connection.execute("update delivery set state = 'done', due_at = null, finished_at = 1")
    assert insider not in shop.live().integrations


def test_another_vendor_is_another_integration(shop: Shop) -> None:
    shop.apply(SHOP)
    before = shop.integration("insider").id
    swapped = SHOP[: SHOP.index("[pipelines.shop.integrations.insider]")] + (
        '[pipelines.shop.integrations.insider]\nvendor = "ometria"\n'
        '[pipelines.shop.integrations.insider.config]\napi_key = "hunter2"\n'
    )
    assert '~ pipelines.shop.integrations.insider.vendor "insider" -> "ometria"' in shop.apply(swapped)
    assert shop.integration("insider").id != before
    shop.apply(SHOP)
    assert shop.integration("insider").id == before


def test_the_file_takes_over_what_the_api_installed(shop: Shop) -> None:
    shop.apply("[pipelines.shop]\npipeline_keys = ['dk_shop']")
    shop.install({"vendor": "insider", "config": {"api_key": "hunter1", "partner_name": "myco"}})
    before = shop.integration("insider").id
    assert "~ pipelines.shop.integrations.insider.config.api_key changed" in shop.apply(SHOP)
    assert shop.integration("insider").id == before
    assert shop.apply("[pipelines.shop]\nrate_limit_rps = 5") == [
        "- pipelines.shop.integrations.insider insider",
        "- pipelines.shop.integrations.ninetailed ninetailed",
    ]


@pytest.mark.parametrize(("health", "after"), [("misconfigured", "ok"), ("paused", "paused"), ("ok", "ok")])
def test_a_change_is_a_reason_to_try_again(shop: Shop, health: str, after: str) -> None:
    shop.apply(SHOP)
    shop.connection.execute("update integration set health = ?, health_reason = 'why'", (health,))
    shop.apply(SHOP.replace("hunter2", "hunter3"))
    assert shop.integration("insider").health == after
    assert shop.integration("insider").health_reason == (None if health == "misconfigured" else "why")
    assert shop.integration("ninetailed").health == health, "nothing of it has changed"


def test_keys_are_decided_by_a_list_and_left_alone_without(shop: Shop) -> None:
    shop.apply(SHOP)
    two = SHOP.replace('["dk_shop"]', '["dk_one", "dk_two"]')
    assert shop.apply(two) == [
        "+ pipelines.shop.pipeline_keys dk_one",
        "+ pipelines.shop.pipeline_keys dk_two",
        "- pipelines.shop.pipeline_keys dk_shop",
    ]
    assert shop.rows("select revision from pipeline") == [(2,)], "a change of keys is a revision too"
    assert set(shop.live().by_key) == {"dk_one", "dk_two"}
    assert shop.apply(SHOP.replace('pipeline_keys = ["dk_shop"]', "")) == []
    assert set(shop.live().by_key) == {"dk_one", "dk_two"}
    shop.apply(SHOP)
    assert set(shop.live().by_key) == {"dk_shop"}, "a revoked key comes back when it is listed again"


def test_a_pipeline_without_keys_gets_one(shop: Shop) -> None:
    said = shop.apply("[pipelines.shop]")
    (key,) = shop.live().by_key
    assert key.startswith("dk_live_") and len(key) == 40
    assert said == ["+ pipelines.shop Shop", f"+ pipelines.shop.pipeline_keys {key}"]
    keys.revoke_key(shop.connection, 1, key, author="ann", now=NOW)
    assert shop.apply("[pipelines.shop]") == [], "revoked on purpose: none is created again"


def test_a_key_of_another_pipeline_is_refused_unless_it_moves(shop: Shop) -> None:
    shop.apply("[pipelines.shop]\npipeline_keys = ['dk_1', 'dk_2']")
    with pytest.raises(ConfigurationError) as raised:
        plans.plan(shop.connection, read("[pipelines.blog]\npipeline_keys = ['dk_1']"), shop.box)
    assert str(raised.value) == (
        "pipelines.blog.pipeline_keys: dk_1 is a key of pipelines.shop, revoke it there or choose another"
    )
    shop.apply("[pipelines.blog]\npipeline_keys = ['dk_1']\n[pipelines.shop]\npipeline_keys = ['dk_2']")
    assert {key: pipeline.slug for key, pipeline in shop.live().by_key.items()} == {"dk_1": "blog", "dk_2": "shop"}


def test_delivery_and_retention_hold_until_they_are_named_again(shop: Shop) -> None:
    assert shop.apply("[delivery]\nretry_cap_seconds = 60\n[retention]\ndone_days = 1.5") == [
        "~ delivery.retry_cap_seconds 300 -> 60",
        "~ retention.done_days 7 -> 1.5",
    ]
    shop.apply(SHOP)
    assert shop.live().retention == Retention(done_days=1.5)
    assert shop.integration("insider").policy == DeliveryPolicy(retry_cap_seconds=60, max_in_flight=2)
    assert shop.apply("[delivery]") == ["~ delivery.retry_cap_seconds 60 -> 300"]


def test_a_draft_keeps_its_edits_and_gets_the_files(shop: Shop) -> None:
    shop.apply(SHOP)
    shop.install(OMETRIA, publish=False)
    assert shop.apply(SHOP) == []
    shop.apply(SHOP.replace("rate_limit_rps = 5", "rate_limit_rps = 6"))
    draft = revisions.draft(shop.connection, 1)
    assert draft is not None and draft.settings.rate_limit_rps == 6 and "ometria" in draft.integrations
    assert "ometria" not in {item.slug for item in shop.live().integrations.values()}


def test_what_the_file_brings_is_in_the_draft_too(shop: Shop) -> None:
    shop.apply(SHOP[: SHOP.index("[pipelines.shop.integrations.insider]")])
    shop.install(OMETRIA, publish=False)
    shop.apply(SHOP)
    listed = installed.listed(shop.connection, shop.box)
    assert sorted((item.slug, item.published) for item in listed) == [
        ("insider", True),
        ("ninetailed", True),
        ("ometria", False),
    ]
    assert not installed.shown(shop.connection, shop.integration("insider").id, shop.box).edited


def test_export_and_apply_is_a_round_trip(shop: Shop) -> None:
    shop.apply(SHOP + "\n[delivery]\nprobe_seconds = 5\n[pipelines.my-shop_2]\nip_allowlist = ['10.0.0.0/8']")
    shop.install(OMETRIA)
    text = dumped(plans.export(shop.connection, shop.box))
    assert 'api_key = "env:SHOP_INSIDER_API_KEY"' in text
    assert 'api_key = "env:SHOP_OMETRIA_API_KEY"' in text
    environ = {"SHOP_INSIDER_API_KEY": "hunter2", "SHOP_OMETRIA_API_KEY": "swordfish"}
    assert shop.apply(text, **environ) == []
    assert shop.rows("select max(number) from revision where pipeline_id = 1") == [(2,)]


def test_an_export_builds_the_same_elsewhere(shop: Shop, box: Box) -> None:
    shop.apply(SHOP)
    text = dumped(plans.export(shop.connection, shop.box))
    shop.connection.executescript(
        "delete from integration; delete from pipeline_key; delete from revision;delete from pipeline; begin"
    )
    shop.apply(text, SHOP_INSIDER_API_KEY="hunter2")
    assert dumped(plans.export(shop.connection, shop.box)) == text


def test_variables_of_an_export_are_told_apart(shop: Shop) -> None:
    table = '{ vendor = "ometria", config = { api_key = "hunter2" } }'
    shop.apply(f"[pipelines.a.integrations]\nb_c = {table}\n[pipelines.a_b.integrations]\nc = {table}")
    text = dumped(plans.export(shop.connection, shop.box))
    assert 'env:A_B_C_API_KEY"' in text and 'env:A_B_C_API_KEY_"' in text


def test_applying_is_on_record(shop: Shop) -> None:
    shop.apply(SHOP)
    line = next(line for line in audit.lines(shop.connection) if line.action == "apply")
    assert (line.actor, line.at, line.target) == ("file", NOW, "configuration")
    assert line.detail["changes"][0] == "+ pipelines.shop Shop"


def test_the_wrong_box_is_refused(shop: Shop) -> None:
    shop.apply(SHOP)
    with pytest.raises(UsageError, match="encrypted with another key"):
        pipelines.live(shop.connection, Box("some other key for tests"))
    with pytest.raises(UsageError, match="encrypted with another key"):
        plans.plan(shop.connection, read(SHOP), Box("some other key for tests"))


def test_what_does_not_fit_is_written_down_until_it_fits_again(shop: Shop) -> None:
    shop.apply(SHOP)

    def health() -> list[Any]:
        pipelines.note_fitness(shop.connection, shop.box, now=NOW + 1)
        return shop.connection.execute("select health, cause from v_backlog where integration = 'insider'").fetchone()

    shop.connection.execute("update integration set vendor = 'gone' where slug = 'insider'")
    state, cause = health()
    assert (state, cause.startswith(UNFIT)) == ("misconfigured", True)
    shop.connection.execute("update integration set vendor = 'insider' where vendor = 'gone'")
    assert health() == ("ok", None)
    shop.connection.execute("update integration set health = 'misconfigured', health_reason = 'HTTP 401'")
    assert health() == ("misconfigured", "HTTP 401")  # the vendor has said so, and will say what is new
    shop.connection.execute("update integration set health = 'paused', health_reason = 'lunch', vendor = 'gone'")
    assert health() == ("paused", "lunch")


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("update integration set config = '{}'", "pipelines.shop.integrations.insider.config.partner_name: missing"),
        (
            "update integration set variant = 'gone'",
            "pipelines.shop.integrations.insider.variant: no such variant: 'gone', there are default, ecommerce",
        ),
        ("update integration set mappings = '{\"page\": 5}'", "pipelines.shop.integrations.insider.mappings: "),
        (
            "update integration set vendor = 'gone'",
            "pipelines.shop.integrations.insider.vendor: no such vendor: 'gone', ",
        ),
    ],
)
def test_what_does_not_fit_todays_code_costs_nobody_else(shop: Shop, sql: str, reason: str) -> None:
    shop.apply(SHOP)
    shop.connection.execute(f"{sql} where slug = 'insider'")
    insider = shop.integration("insider")
    assert (insider.settings, insider.health, insider.enabled) == (None, "misconfigured", True)
    assert insider.health_reason.startswith(f"{UNFIT}: {reason}")
    assert shop.integration("ninetailed").settings is not None
    shop.connection.execute("update integration set health = 'paused'")
    assert (shop.integration("insider").settings, shop.integration("insider").health) == (None, "paused")

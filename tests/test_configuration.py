"""The configuration file: what it means, and what is said about its mistakes, word for word."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from signal_actor import secrets
from signal_actor.configuration import Configuration, dumped, load, parse
from signal_actor.errors import ConfigurationError
from signal_actor.live import DeliveryPolicy, Retention

SHOP = """
[pipelines.shop]
name = "Shop"
pipeline_keys = ["dk_live_shop0123456789"]
allowed_origins = ["https://Shop.example.com/", "https://*.shop.example.com"]
mode = "production"
rate_limit_rps = 500
default_consent = "denied"
ip_allowlist = ["10.0.0.0/8"]
cookie_domain = ".example.com"
cookie_same_site = "Strict"

[pipelines.shop.integrations.ninetailed]
vendor = "ninetailed"
variant = "default"
enabled = true
delivery_mode = "server_side"
consent_categories = ["personalization"]
[pipelines.shop.integrations.ninetailed.config]
organization_id = "3f1c"
environment_slug = "main"
endpoint = "http://127.0.0.1:9001"

[pipelines.shop.integrations.insider]
vendor = "insider"
[pipelines.shop.integrations.insider.config]
api_key = "env:INSIDER_API_KEY"
partner_name = "myco"
[pipelines.shop.integrations.insider.delivery]
max_in_flight = 2

[delivery]
retry_cap_seconds = 60

[retention]
dedupe_hours = 24
"""
INSIDER = """
[pipelines.shop.integrations.insider]
vendor = "insider"
[pipelines.shop.integrations.insider.config]
api_key = "xxxxxxxx"
partner_name = "myco"
"""
PLACE = "shop.toml: pipelines.shop"
INSIDE = f"{PLACE}.integrations.insider"


def read(text: str, **environ: str) -> Configuration:
    return parse(text, file="shop.toml", resolve=secrets.references(environ, Path()))


def complaint(text: str) -> str:
    with pytest.raises(ConfigurationError) as raised:
        read(text)
    assert raised.value.__cause__ is None and (raised.value.__suppress_context__ or raised.value.__context__ is None)
    return str(raised.value)


def test_a_whole_file() -> None:
    configuration = read(SHOP, INSIDER_API_KEY="hunter2")
    shop = configuration.pipelines["shop"]
    assert (shop.name, shop.keys) == ("Shop", ("dk_live_shop0123456789",))
    assert shop.settings.allowed_origins == ("https://shop.example.com", "https://*.shop.example.com")
    assert shop.settings.ip_allowlist == (ip_network("10.0.0.0/8"),)
    assert shop.settings.rate_limit_rps == 500
    assert shop.settings.default_consent == "denied"
    assert shop.settings.cookie_domain == ".example.com"
    assert list(shop.integrations) == ["ninetailed", "insider"]
    insider = shop.integrations["insider"]
    assert insider.settings.api_key.get_secret_value() == "hunter2"  # type: ignore[attr-defined]
    assert (insider.name, insider.variant, insider.enabled) == ("Insider", "default", True)
    assert insider.consent_categories == ("marketing",), "absent: the vendor's default"
    assert insider.delivery == {"max_in_flight": 2}
    assert configuration.delivery == DeliveryPolicy(retry_cap_seconds=60)
    assert configuration.retention == Retention(dedupe_hours=24)
    assert "hunter2" not in repr(configuration)


def test_defaults() -> None:
    configuration = read("[pipelines.my-shop]")
    shop = configuration.pipelines["my-shop"]
    assert (shop.name, shop.keys, shop.integrations) == ("My shop", (), {})
    assert shop.settings.model_dump() == {
        "allowed_origins": (),
        "mode": "production",
        "rate_limit_rps": 1000,
        "default_consent": "granted",
        "ip_allowlist": (),
        "cookie_domain": "",
        "cookie_same_site": "Lax",
        "browser": {"auto_page": True, "batch_size": 10, "flush_ms": 1000, "consent": None, "mirror": ""},
    }
    assert configuration.delivery is None and configuration.retention is None, "left alone"
    assert DeliveryPolicy().model_dump() == {
        "request_timeout_seconds": 10,
        "retry_base_seconds": 1,
        "retry_cap_seconds": 300,
        "retry_window_seconds": 259200,
        "max_in_flight": 4,
        "probe_seconds": 30,
    }
    assert Retention().model_dump() == {
        "dedupe_hours": 48,
        "done_days": 7,
        "dead_days": 30,
        "max_bytes": 0,
        "min_free_bytes": 268435456,
    }


def test_an_empty_list_of_consent_categories_is_no_gate() -> None:
    text = INSIDER.replace('vendor = "insider"', 'vendor = "insider"\nconsent_categories = []')
    assert read(text).pipelines["shop"].integrations["insider"].consent_categories == ()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[pipelin.shop]", "shop.toml: pipelin: unknown key, did you mean pipelines?"),
        ("servers = 1", "shop.toml: servers: unknown key, there are pipelines, delivery, retention"),
        ("pipelines = 1", "shop.toml: pipelines: must be a table, not 1"),
        ("pipelines.shop = 1", f"{PLACE}: must be a table"),
        (
            "[pipelines.Shop]",
            "shop.toml: pipelines.Shop: a slug is made of a-z, 0-9, - and _, and starts with a letter or a digit",
        ),
        (
            "[pipelines.shop]\nallowed_origin = []",
            f"{PLACE}.allowed_origin: unknown key, did you mean allowed_origins?",
        ),
        (
            '[pipelines.shop]\nallowed_origins = ["shop.example.com"]',
            f"{PLACE}.allowed_origins[0]: an origin starts with its scheme, for example https://shop.example.com",
        ),
        (
            '[pipelines.shop]\nallowed_origins = "https://x.example"',
            f"{PLACE}.allowed_origins: must be a list, not 'https://x.example'",
        ),
        ('[pipelines.shop]\nmode = "prod"', f"{PLACE}.mode: must be 'production' or 'development', not 'prod'"),
        ("[pipelines.shop]\nrate_limit_rps = 0", f"{PLACE}.rate_limit_rps: must be at least 1, not 0"),
        ('[pipelines.shop]\nrate_limit_rps = "5"', f"{PLACE}.rate_limit_rps: must be a whole number, not '5'"),
        ("[pipelines.shop]\nrate_limit_rps = true", f"{PLACE}.rate_limit_rps: must be a whole number, not true"),
        ('[pipelines.shop]\nname = ""', f"{PLACE}.name: must not be empty"),
        (
            '[pipelines.shop]\nip_allowlist = ["10.0.0.5/8"]',
            f"{PLACE}.ip_allowlist[0]: 10.0.0.5/8 names one host and a network, did you mean 10.0.0.0/8?",
        ),
        (
            '[pipelines.shop]\nip_allowlist = ["office"]',
            f"{PLACE}.ip_allowlist[0]: office is no network, write it like 10.0.0.0/8 or 2001:db8::/32",
        ),
        ("[pipelines.shop]\nip_allowlist = [10]", f"{PLACE}.ip_allowlist[0]: must be a text in quotes"),
        (
            '[pipelines.shop]\ncookie_domain = "localhost"',
            f"{PLACE}.cookie_domain: browsers take cookies for a whole domain only, for example .example.com",
        ),
        (
            '[pipelines.shop]\npipeline_keys = ["dk live"]',
            f"{PLACE}.pipeline_keys[0]: a pipeline key is made of printable ASCII without spaces and colons, "
            "such as dk_live_shop01",
        ),
        (
            '[pipelines.a]\npipeline_keys = ["dk_1"]\n[pipelines.b]\npipeline_keys = ["dk_1"]',
            "shop.toml: pipelines.b.pipeline_keys: dk_1 is also a key of pipelines.a, give each its own",
        ),
        (
            INSIDER.replace('"insider"', '"inside"'),
            f"{INSIDE}.vendor: no such vendor: 'inside', did you mean insider? "
            "there are ninetailed, insider, ometria, webhook",
        ),
        (INSIDER.replace('vendor = "insider"', ""), f"{INSIDE}.vendor: missing"),
        (
            INSIDER.replace("[pipelines.shop.integrations.insider.config]", 'variant = "retail"\n\\g<0>'),
            f"{INSIDE}.variant: no such variant: 'retail', there are default, ecommerce",
        ),
        (
            INSIDER.replace('vendor = "insider"', 'vendor = "insider"\nconsent_categories = ["marketng"]'),
            f"{INSIDE}.consent_categories[0]: no such consent category: 'marketng', did you mean marketing? "
            "there are essential, functional, analytics, marketing, personalization",
        ),
        (
            INSIDER.replace('vendor = "insider"', 'vendor = "insider"\ndelivery_mode = "client_side"'),
            f"{INSIDE}.delivery_mode: must be 'server_side', not 'client_side'",
        ),
        (
            INSIDER.replace("partner_name", "partner_nam"),
            f"{INSIDE}.config.partner_nam: unknown key, did you mean partner_name?",
        ),
        (INSIDER.replace('partner_name = "myco"', ""), f"{INSIDE}.config.partner_name: missing"),
        (INSIDER.replace('"xxxxxxxx"', "12345678"), f"{INSIDE}.config.api_key: must be a text in quotes"),
        (INSIDER.replace("xxxxxxxx", "env:NOPE"), f"{INSIDE}.config.api_key: the environment variable NOPE is not set"),
        (
            INSIDER + 'endpoint = "unification.example"',
            f"{INSIDE}.config.endpoint: must be an address that starts with https:// or http://, "
            "not 'unification.example'",
        ),
        (
            INSIDER + "[pipelines.shop.integrations.insider.delivery]\nmax_in_flight = 0",
            f"{INSIDE}.delivery.max_in_flight: must be at least 1, not 0",
        ),
        (
            INSIDER + "[pipelines.shop.integrations.insider.mappings]\npage = 5",
            None,
        ),
        ("[delivery]\nprobe_second = 1", "shop.toml: delivery.probe_second: unknown key, did you mean probe_seconds?"),
        ("[delivery]\nprobe_seconds = inf", "shop.toml: delivery.probe_seconds: must be a finite number, not inf"),
        ("[delivery]\nprobe_seconds = 0", "shop.toml: delivery.probe_seconds: must be more than 0, not 0"),
        ('[retention]\ndone_days = "7"', "shop.toml: retention.done_days: must be a number, not '7'"),
        ("[retention]\ndone_days = -1", "shop.toml: retention.done_days: must be at least 0, not -1"),
        ("[retention]\nmax_bytes = 1.5", "shop.toml: retention.max_bytes: must be a whole number, not 1.5"),
    ],
)
def test_a_mistake_is_one_line_that_names_file_key_and_fix(written: str, said: str | None) -> None:
    found = complaint(written.replace("\\g<0>", "[pipelines.shop.integrations.insider.config]"))
    assert "\n" not in found
    if said is None:  # in the words of mapping.check
        assert found.startswith(f"{INSIDE}.mappings: ")
    else:
        assert found == said


def test_all_mistakes_are_listed() -> None:
    text = "pipelin = 1\n[pipelines.shop]\nmode = 'x'\n" + INSIDER.replace("myco", "") + "[delivery]\nprobe_secs = 1\n"
    assert complaint(text).splitlines() == [
        "shop.toml: pipelin: unknown key, did you mean pipelines?",
        f"{PLACE}.mode: must be 'production' or 'development', not 'x'",
        f"{INSIDE}.config.partner_name: must not be empty",
        "shop.toml: delivery.probe_secs: unknown key, did you mean probe_seconds?",
    ]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("[pipelines.shop]\nname = Shop", "shop.toml: line 2, column 8: invalid value"),
        ("[pipelines.shop", "shop.toml: end of document: expected ']' at the end of a table declaration"),
        ("[a]\n[a]", "shop.toml: line 2, column 3: cannot declare ('a',) twice"),
    ],
)
def test_a_syntax_error_names_the_line(written: str, said: str) -> None:
    assert complaint(written) == said


def test_no_secret_is_ever_quoted() -> None:
    for wrong in ('["hunter2"]', '{ a = "hunter2" }', '"hunter2"\napi_kez = "hunter2"', '"hunter2"\nuuid_source = 1'):
        found = complaint(INSIDER.replace('"xxxxxxxx"', wrong))
        assert "hunter2" not in found


def test_the_file_as_a_file(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    with pytest.raises(ConfigurationError) as raised:
        load(path, {})
    assert str(raised.value) == f"{path}: cannot be read (No such file or directory)"
    path.write_bytes(b"name = '\xff'")
    with pytest.raises(ConfigurationError) as raised:
        load(path, {})
    assert str(raised.value) == f"{path}: not UTF-8 at byte 8, save it as UTF-8"
    (tmp_path / "key").write_text("hunter2\n")
    path.write_text("\ufeff" + INSIDER.replace("xxxxxxxx", "file:key"))
    insider = load(path, {}).pipelines["shop"].integrations["insider"]
    assert insider.settings.api_key.get_secret_value() == "hunter2"  # type: ignore[attr-defined]


def test_toml_says_null_as_remove() -> None:
    text = INSIDER + '[pipelines.shop.integrations.insider.mappings.track]\n"Order Completed" = { remove = true }\n'
    mappings = read(text).pipelines["shop"].integrations["insider"].mappings
    assert mappings == {"track": {"Order Completed": None}}
    tables = {"pipelines": {"shop": {"integrations": {"insider": {"mappings": mappings}}}}}
    assert "remove = true" in dumped(tables)

"""The bundle and its answers, without a browser."""

import base64
import gzip
import hashlib
import re
from pathlib import Path

import brotli
import pytest

from signal_actor.ingest.datafly.answer import answer
from signal_actor.ingest.datafly.bundle import (
    ENTRY,
    TOP_LEVEL,
    Script,
    Settings,
    build,
    declarations,
    fingerprint,
    minified,
    modules,
    stub,
)

SCRIPT = build({})
TYPES = declarations()
MAX_GZIP = 8000  # bytes


def ask(path: str, script: Script = SCRIPT, **headers: str) -> tuple[int, dict[str, str], bytes]:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    found = answer(path, fields, script, TYPES, {})
    assert found
    return found


def test_it_stays_small() -> None:
    waiting: Settings = {"consent": "wait", "autoPage": False}
    script = build({f"dk_{number}": waiting for number in range(3)})
    print(f"raw {len(''.join(modules(ENTRY, set())))}, minified {len(script.plain)}, ", end="")
    print(f"gzip {len(script.gzip)}, brotli {len(script.brotli)}")
    assert len(script.gzip) <= MAX_GZIP


def test_no_name_is_used_by_two_modules() -> None:
    found = [name for module in modules(ENTRY, set()) for name in TOP_LEVEL.findall(module)]
    assert len(found) > 50
    assert sorted(set(found)) == sorted(found)


NEWER_OR_FORBIDDEN = (r"\?\.(?!\d)", r"\?\?", r"\|\|=", r"&&=", r"\b(import|export|eval)\b", r"new Function")


@pytest.mark.parametrize("newer", NEWER_OR_FORBIDDEN)
def test_old_browsers_and_strict_policies_can_read_it(newer: str) -> None:
    code = re.sub(r"'[^'\n]*'|/\^?[^/\n]+\$?/", "", minified())
    assert not re.search(newer, code)


def test_the_table_is_found_by_the_hash_of_the_key() -> None:
    settings: Settings = {"consent": "wait", "onetrust": {"analytics": "</script>"}}
    script = build({"dk_secret": settings, "dk_default": {}})
    text = script.plain.decode()
    assert fingerprint("dk_secret") in text
    assert fingerprint("dk_default") not in text
    assert "dk_secret" not in text
    assert "</script>" not in text
    assert script.hash != SCRIPT.hash
    assert build({"dk_default": {}}) == SCRIPT


def test_fingerprint_has_the_published_fnv_values() -> None:
    assert fingerprint("foobar")[:8] == "bf9cf968"  # FNV-1a, 32 bits
    assert fingerprint("é") == fingerprint("é")


def test_encodings_hold_the_same() -> None:
    assert gzip.decompress(SCRIPT.gzip) == SCRIPT.plain == brotli.decompress(SCRIPT.brotli)
    assert SCRIPT.integrity == "sha384-" + base64.b64encode(hashlib.sha384(SCRIPT.plain).digest()).decode()


@pytest.mark.parametrize("path", ["/datafly.js", "/d.js"])
def test_plain_names_are_cached_for_minutes(path: str) -> None:
    status, headers, body = ask(path)
    assert (status, body) == (200, SCRIPT.plain)
    assert headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert headers["Cache-Control"].startswith("public, max-age=300")
    assert headers["ETag"] == f'"{SCRIPT.hash}"'
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert "Content-Encoding" not in headers


def test_hashed_name_is_immutable_and_old_ones_live_on_in_the_archive() -> None:
    status, headers, _ = ask(f"/{SCRIPT.immutable_name}")
    assert (status, headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
    newer = build({"dk": {"consent": "wait"}})
    assert answer(f"/{SCRIPT.immutable_name}", {}, newer, TYPES, {}) is None
    kept = answer(f"/{SCRIPT.immutable_name}", {}, newer, TYPES, {SCRIPT.hash: SCRIPT})
    assert kept
    assert kept[2] == SCRIPT.plain


def test_types_are_served() -> None:
    status, headers, body = ask("/datafly.d.ts")
    assert (status, headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert b"export interface Datafly" in body


@pytest.mark.parametrize("path", ["/", "/datafly.js/", "/datafly.0123456789abcdef.js", "/datafly.map", "/v1/b"])
def test_other_paths_are_not_ours(path: str) -> None:
    assert answer(path, {}, SCRIPT, TYPES, {}) is None


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("*", "br"),
        ("*;q=0", ""),
        ("BR ; q=1.0", "br"),
        ("gzip;q=much", ""),
        ("identity", ""),
        ("", ""),
    ],
)
def test_encoding_is_what_the_client_takes(accepted: str, coding: str) -> None:
    status, headers, body = ask("/datafly.js", accept_encoding=accepted)
    assert status == 200
    assert headers.get("Content-Encoding", "") == coding
    assert body == {"br": SCRIPT.brotli, "gzip": SCRIPT.gzip, "": SCRIPT.plain}[coding]
    assert headers["Content-Length"] == str(len(body))
    assert headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("given", ["{}", "W/{}", '"other", {}', "*"])
def test_what_the_client_has_is_not_sent_again(given: str) -> None:
    etag = ask("/d.js", accept_encoding="gzip")[1]["ETag"]
    status, headers, body = ask("/d.js", accept_encoding="gzip", if_none_match=given.format(etag))
    assert (status, body, headers["ETag"]) == (304, b"", etag)
    assert "Content-Length" not in headers
    assert ask("/d.js", accept_encoding="br", if_none_match=etag)[0] == 200


def test_the_documentation_prints_the_stub_and_its_hash() -> None:
    text = Path("docs/browser.md").read_text(encoding="utf-8")
    assert stub() in Path("README.md").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(stub().encode()).digest()).decode()
    assert f"<script>{stub()}</script>" in text
    assert f"'sha256-{digest}'" in text

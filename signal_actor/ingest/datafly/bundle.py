"""Bundle: the SDK's modules as one minified script, with the settings of the pipelines inside.

Our modules import each other by `import { name } from './file.js'` alone and no two of them use a top-level name twice,
so concatenating them in the order of their imports is bundling enough. Names are not shortened: the minifiers that do
would bring Node or a Go runtime into the service, for about a kilobyte after compression.
"""

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TypedDict

import brotli  # type: ignore[import-untyped]
import rjsmin  # type: ignore[import-untyped]

ENTRY = "main.js"
SCRIPT_TYPE = "text/javascript"
TABLE = re.compile(r"const TABLE=\{\};?")
IMPORT = re.compile(r"^import \{[^}]*\} from '\./([a-z]+\.js)';\n", re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async )?function|const|let)", re.MULTILINE)
TOP_LEVEL = re.compile(r"^(?:async )?(?:function|const|let) (\w+)", re.MULTILINE)
FNV_SEEDS = (0x811C9DC5, 0x1000193)
FNV_PRIME = 0x1000193


class Settings(TypedDict, total=False):
    """What a pipeline may say to its pages; what is left out is the default in `src/settings.js`."""

    autoPage: bool
    batchSize: int  # events
    flushMs: int  # how long an event waits for company
    consent: str  # "send" or "wait", and the banners to read: google tcf onetrust cookiebot, or "manual"
    mirror: str  # "ninetailed"
    onetrust: dict[str, str]  # our category -> OneTrust group


@dataclass(frozen=True, slots=True)
class Script:
    """One file to hand out, in every encoding. `hash` names it for ever, `integrity` is for the script tag."""

    content_type: str
    plain: bytes
    gzip: bytes
    brotli: bytes
    hash: str
    integrity: str

    @property
    def etag(self) -> str:
        """The strong validator of the plain encoding; the others add their coding's name."""
        return f'"{self.hash}"'

    @property
    def immutable_name(self) -> str:
        return f"datafly.{self.hash}.js"


def build(settings_by_key: Mapping[str, Settings]) -> Script:
    """The script for these pipelines. Takes some 50 ms of processor time: call it from a thread.

    Only pipelines that differ from the defaults need to be in the mapping.
    """
    table = {fingerprint(key): settings for key, settings in sorted(settings_by_key.items()) if settings}
    # `<` cannot end a script element that somebody inlines.
    literal = json.dumps(table, separators=(",", ":"), sort_keys=True).replace("<", "\\u003c")
    return pack(TABLE.sub(lambda _: f"const TABLE={literal};", minified(), count=1), SCRIPT_TYPE)


def declarations() -> Script:
    """The TypeScript declarations."""
    return pack(source("datafly.d.ts"), "text/plain")


def stub() -> str:
    """The inline script that takes calls before the SDK is there."""
    code: str = rjsmin.jsmin(source("stub.js"))
    return code.strip()


def pack(text: str, content_type: str) -> Script:
    plain = text.encode()
    digest = hashlib.sha384(plain).digest()
    return Script(
        content_type=f"{content_type}; charset=utf-8",
        plain=plain,
        gzip=gzip.compress(plain, 9, mtime=0),
        brotli=brotli.compress(plain, mode=brotli.MODE_TEXT),
        hash=digest.hex()[:16],
        integrity=f"sha384-{base64.b64encode(digest).decode()}",
    )


@cache
def minified() -> str:
    code: str = rjsmin.jsmin("(()=>{'use strict';\n" + "\n".join(modules(ENTRY, set())) + "})();\n")
    if not TABLE.search(code):
        raise AssertionError("settings.js has lost its table")
    return code


def modules(name: str, seen: set[str]) -> Iterator[str]:
    """The module and what it imports, each once, imports first, without the words `import` and `export`."""
    seen.add(name)
    text = source(name)
    for imported in IMPORT.findall(text):
        if imported not in seen:
            yield from modules(imported, seen)
    yield EXPORT.sub("", IMPORT.sub("", text))


def source(name: str) -> str:
    return files(__package__).joinpath("src", name).read_text(encoding="utf-8")


def fingerprint(key: str) -> str:
    """Two FNV-1a sums, as in `settings.js`: finds a pipeline's settings without listing everybody's keys."""
    return "".join(f"{fnv(key.encode(), seed):08x}" for seed in FNV_SEEDS)


def fnv(data: bytes, seed: int) -> int:
    for byte in data:
        seed = ((seed ^ byte) * FNV_PRIME) & 0xFFFFFFFF
    return seed

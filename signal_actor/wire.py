"""Wire: bytes from strangers become plain JSON values, and times become text, with bounds on everything."""

import json
import math
import re
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import from_json, to_json

from signal_actor.errors import Refusal

MAX_DEPTH = 200  # nesting, as pydantic_core has it; real events stay below ten, and every reader recurses
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z in milliseconds
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # terminals, bidi
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # SQLite text ends at NUL; a lone surrogate is not UTF-8


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its gzip coding, which is known by header or by its magic bytes.

    Raises:
        Refusal: 413 beyond `limit` bytes, 415 for other codings, 400 for gzip that is cut off or broken.
    """
    encoding = encoding.strip().lower()
    if encoding not in {"", "identity", "gzip", "x-gzip"}:
        raise Refusal(415, "unsupported_encoding", f"Content-Encoding {encoding[:40]!r} is not supported; use gzip.")
    if body[:2] == b"\x1f\x8b":
        unzip = zlib.decompressobj(wbits=31)
        try:
            body = unzip.decompress(body, limit + 1)
        except zlib.error:
            raise Refusal(400, "malformed_json", "The gzip body is broken.") from None
        if len(body) <= limit and not unzip.eof:
            raise Refusal(400, "malformed_json", "The gzip body is cut off.")
    if len(body) > limit:
        raise Refusal(413, "payload_too_large", f"The body exceeds {limit // 1024 // 1024} MiB; send smaller batches.")
    return body


def loads(body: bytes) -> Any:
    """A JSON value that is safe to store: no NaN, infinities, NUL or lone surrogates, and not nested too deep.

    Raises:
        Refusal: 400 for everything that is not such JSON.
    """
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError:
        return _read_patiently(body)
    return _clean(value) if b"\\u0000" in body else value


def _read_patiently(body: bytes) -> Any:
    """What is not quite JSON, as public SDKs send it: NaN, lone surrogates, a byte order mark, UTF-16."""
    try:
        text = body.decode(json.detect_encoding(body))
        value = DECODER.decode(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:  # ValueError: syntax, encoding, integers of thousands of digits
        where = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise Refusal(400, "malformed_json", f"The body is not valid JSON{where}.") from None
    if _depth(value) > MAX_DEPTH:
        raise Refusal(400, "malformed_json", f"The body is nested more than {MAX_DEPTH} levels deep.")
    return _clean(value)


def dumps(value: Any) -> str:
    """Compact JSON text of what `loads` returned; a number too large for a float has become null."""
    return to_json(value, inf_nan_mode="null").decode()


def visible(text: str) -> str:
    """A stranger's text for a terminal: what would steer it, or turn the order of letters around, is spelt out."""
    return STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def iso(ms: int) -> str:
    """Milliseconds since 1970 as ISO 8601 in UTC with milliseconds and `Z`."""
    return (EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds")[:-6] + "Z"


def milliseconds(text: str) -> int:
    """An ISO 8601 date-time as milliseconds since 1970; without an offset it is UTC.

    Raises:
        ValueError: not a date-time, or outside of the years 1970 to 9999.
    """
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    ms = (moment - EPOCH) // timedelta(milliseconds=1)
    if not 0 <= ms <= LATEST:
        raise ValueError("outside of the years 1970 to 9999")
    return ms


def _no_constant(_: str) -> None:
    """NaN, Infinity and -Infinity, which public SDKs do send, are no JSON and mean "no value"."""
    return


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_float=_finite)


def _depth(value: Any) -> int:
    deepest, open_values = 0, [(value, 1)]
    while open_values:
        item, level = open_values.pop()
        if isinstance(item, dict | list):
            deepest = max(deepest, level)
            children = item.values() if isinstance(item, dict) else item
            open_values.extend((child, level + 1) for child in children)
    return deepest


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return value

"""Page: the web page that a visitor was on, in full and of sound types, as Ninetailed's clients describe it."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

KEYS = ("url", "path", "referrer", "search", "title", "query")
LONGEST_URL = 2_000  # characters; longer ones are taken apart each time, so that the cache stays small


def whole(page: Mapping[str, Any], fallback: Mapping[str, Any]) -> dict[str, Any]:
    """The page with all that the vendor's clients always send: path, query, referrer, search and url.

    What is not said is taken from `fallback` (only the page's own keys), else from the URL, else it is empty.
    All are texts, a query's values too, and so is a title, if there is one. Other keys are kept.
    """
    full = {key: fallback[key] for key in KEYS if key in fallback} | {k: v for k, v in page.items() if v is not None}
    url = full.get("url")
    url = full["url"] = url if isinstance(url, str) else ""
    path, search, query = _parts(url) if len(url) > LONGEST_URL else _parts_cached(url)
    for key, derived in (("path", path), ("search", search), ("referrer", "")):
        if not isinstance(full.get(key), str):
            full[key] = derived
    if "title" in full and not isinstance(full["title"], str):
        del full["title"]
    given = full.get("query")
    if isinstance(given, dict):
        full["query"] = {key: value for key, value in given.items() if isinstance(value, str)}
    else:
        full["query"] = dict(query or _query(full["search"]))
    return full


def _parts(url: str) -> tuple[str, str, Mapping[str, str]]:
    """Path, search and query as a browser would say; all empty if the URL is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", "", {}
    search = f"?{parts.query}" if parts.query else ""
    return parts.path or ("/" if parts.netloc else ""), search, _query(search)


_parts_cached = lru_cache(maxsize=2048)(_parts)


def _query(search: str) -> dict[str, str]:
    return dict(parse_qsl(search.removeprefix("?"), keep_blank_values=True))

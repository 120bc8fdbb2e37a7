"""Answer: the HTTP side of datafly.js, as a function of path and headers. No framework here.

The plain names (`/datafly.js`, `/d.js`) are cached for minutes, so that a pipeline's settings reach its pages soon.
The name with the content's hash never changes, which is what subresource integrity needs.
"""

import re
from collections.abc import Mapping

from signal_actor.ingest.datafly.bundle import Script

SHORT = "public, max-age=300, stale-while-revalidate=3600"
FOREVER = "public, max-age=31536000, immutable"
HASHED = re.compile(r"/datafly\.([0-9a-f]{16})\.js")
PLAIN = ("/datafly.js", "/d.js")
DECLARATIONS = "/datafly.d.ts"

Answer = tuple[int, dict[str, str], bytes]


def answer(
    path: str, headers: Mapping[str, str], current: Script, declarations: Script, archive: Mapping[str, Script]
) -> Answer | None:
    """Status, headers and body, or None where the path is not ours.

    `headers` have lower-case names. `archive` holds the scripts of before by their hash, for the tags that pin them.
    The body is for GET; for HEAD send the same headers without it.
    """
    if path in PLAIN:
        return hand_out(current, headers, SHORT)
    if path == DECLARATIONS:
        return hand_out(declarations, headers, SHORT)
    if hashed := HASHED.fullmatch(path):
        script = current if hashed[1] == current.hash else archive.get(hashed[1])
        return hand_out(script, headers, FOREVER) if script else None
    return None


def hand_out(script: Script, headers: Mapping[str, str], caching: str) -> Answer:
    coding, body = encoded(script, headers.get("accept-encoding", ""))
    etag = f'"{script.hash}-{coding}"' if coding else script.etag
    fields = {
        "Access-Control-Allow-Origin": "*",  # `crossorigin` without credentials, as integrity asks for
        "Cache-Control": caching,
        "Cross-Origin-Resource-Policy": "cross-origin",
        "ETag": etag,
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    if matches(headers.get("if-none-match", ""), etag):
        return 304, fields, b""
    fields["Content-Type"] = script.content_type
    fields["Content-Length"] = str(len(body))
    if coding:
        fields["Content-Encoding"] = coding
    return 200, fields, body


def encoded(script: Script, accepted: str) -> tuple[str, bytes]:
    """The smallest encoding that the client takes, and its name."""
    weights = dict(map(weigh, accepted.lower().split(",")))
    for coding, body in (("br", script.brotli), ("gzip", script.gzip)):
        if weights.get(coding, weights.get("*", 0.0)) > 0:
            return coding, body
    return "", script.plain


def weigh(item: str) -> tuple[str, float]:
    """`gzip;q=0.5` as ("gzip", 0.5); a weight that is no number refuses."""
    coding, _, rest = item.partition(";")
    name, _, value = rest.strip().partition("=")
    try:
        return coding.strip(), float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return coding.strip(), 0.0


def matches(if_none_match: str, etag: str) -> bool:
    given = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in given or etag in given

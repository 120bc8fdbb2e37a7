"""Origins: normalised as browsers write them, and matched exactly or by subdomain."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signal_actor.origins import admits, cookie_domain, normalise


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("https://shop.example.com", "https://shop.example.com"),
        ("HTTPS://Shop.Example.COM:443/", "https://shop.example.com"),
        ("http://shop.example.com:80", "http://shop.example.com"),
        ("http://shop.example.com:8080", "http://shop.example.com:8080"),
        ("https://*.Example.com", "https://*.example.com"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://faß.example", "https://xn--fa-hia.example"),
        ("https://my_shop.example.com", "https://my_shop.example.com"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("http://127.0.0.1:5173", "http://127.0.0.1:5173"),
    ],
)
def test_normalised(written: str, normal: str) -> None:
    assert normalise(written) == normal
    assert normalise(normal) == normal


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("shop.example.com", "an origin starts with its scheme, for example https://shop.example.com"),
        ("ftp://shop.example.com", "an origin starts with https:// or http://"),
        ("https://shop.example.com/cart", "an origin is scheme, host and port, without path or user name"),
        ("https://me@shop.example.com", "an origin is scheme, host and port, without path or user name"),
        ("https://shop.example.com?x", "an origin is scheme, host and port, without path or user name"),
        ("*", "an origin starts with its scheme, for example https://shop.example.com"),
        ("https://*", "a * may only stand for the left-most labels, as in https://*.example.com"),
        ("https://shop.*.com", "a * may only stand for the left-most labels, as in https://*.example.com"),
        ("https://*shop.com", "a * may only stand for the left-most labels, as in https://*.example.com"),
        ("https://*.127.0.0.1", "an address has no subdomains, leave the * out"),
        ("https://", "the host name is missing"),
        ("https://a b.example", "a b.example is no host name"),
        ("https://shop..example.com", "shop..example.com is no host name"),
        ("https://shop.example.com:99999", "the port is a number from 1 to 65535"),
        ("https://shop.example.com:x", "the port is a number from 1 to 65535"),
        ("http://[::1", "an IPv6 address is written in brackets, as in http://[::1]:3000"),
        ("http://[zz]", "an IPv6 address is written in brackets, as in http://[::1]:3000"),
    ],
)
def test_refused(written: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        normalise(written)


@pytest.mark.parametrize(
    ("origin", "admitted"),
    [
        ("https://shop.example.com", True),
        ("https://www.brand.example", True),
        ("https://a.b.brand.example", True),
        ("https://brand.example", False),
        ("https://evilbrand.example", False),
        ("https://.brand.example", False),
        ("http://www.brand.example", False),
        ("https://www.brand.example:8443", False),
        ("https://www.brand.example.evil.test", False),
        ("http://shop.example.com", False),
        ("https://*.brand.example", False),
        ("http://localhost:3000", False),
        ("null", False),
        ("", False),
    ],
)
def test_admitted(origin: str, admitted: bool) -> None:
    assert admits(("https://shop.example.com", "https://*.brand.example"), origin) is admitted


@pytest.mark.parametrize("origin", ["http://localhost", "https://localhost:3000", "http://127.0.0.1:5173"])
def test_development_adds_loopback(origin: str) -> None:
    assert admits((), origin, development=True)
    assert not admits((), origin)


@pytest.mark.parametrize("origin", ["http://localhost.evil.test", "http://127.0.0.1.evil.test", "http://evil.test"])
def test_development_adds_nothing_else(origin: str) -> None:
    assert not admits((), origin, development=True)


@given(st.text())
def test_strangers_origins_never_raise(origin: str) -> None:
    assert admits(("https://shop.example.com",), origin) in (True, False)


@pytest.mark.parametrize(
    ("written", "normal"), [("", ""), (".Example.com", ".example.com"), ("bücher.example", "xn--bcher-kva.example")]
)
def test_cookie_domain(written: str, normal: str) -> None:
    assert cookie_domain(written) == normal


@pytest.mark.parametrize(
    "written", ["localhost", ".com", "127.0.0.1", "a.example; Secure", "https://a.example", ".", "::1"]
)
def test_cookie_domain_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"cookies for a whole domain|host name|brackets"):
        cookie_domain(written)

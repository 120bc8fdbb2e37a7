"""Address: where a site's pages will find datafly.js. A guess that a person corrects on the page; it is stored nowhere.

What the ingest listener is bound to is seldom what browsers ask for: there is a proxy or a host name in front of it.
"""

from dataclasses import dataclass

from signal_actor import origins


@dataclass(frozen=True, slots=True)
class Address:
    """An origin such as https://data.example.com. `why` says where it is from, `problem` what is wrong with `typed`."""

    origin: str
    why: str = ""
    typed: str = ""
    problem: str = ""


def address(typed: str, cookie_domain: str, listens: str) -> Address:
    """What somebody typed, else what fits the cookie's domain, else where this service listens."""
    guess = _guess(cookie_domain, listens)
    if not typed:
        return guess
    try:
        origin = origins.normalise(typed if "://" in typed else f"https://{typed}")
        if "*" in origin:
            raise ValueError("a script tag cannot hold a *, name one host")
    except ValueError as error:
        return Address(guess.origin, guess.why, typed, f"{error}"[:1].upper() + f"{error}"[1:] + ".")
    return Address(origin, typed=origin)


def _guess(cookie_domain: str, listens: str) -> Address:
    if not cookie_domain:
        why = "Signal Actor itself listens here. Behind a proxy, browsers ask for another address: put it in."
        return Address(listens, why)
    host = f"data.{cookie_domain.removeprefix('.')}"
    return Address(
        f"https://{host}", f"A guess, from the cookie domain {cookie_domain}. Put in the address you gave it."
    )

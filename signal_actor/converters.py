"""Converters: the closed set of ways in which a mapping may change a value on its way to a vendor.

A converter takes the value (never None) and the event around it, and raises ValueError with a reason that does not
repeat the value, because reasons end up in notes that people other than the visitor read.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from math import isfinite
from types import MappingProxyType
from typing import Any

import phonenumbers

from signal_actor.event import Event

Converter = Callable[[Any, Event], Any]

NAME_CACHED = 200  # characters; longer names are computed each time, so that the cache stays small
NUMBER_TEXT = 32  # characters; no price is longer, and converting very long digits is slow

_COMPLETE = phonenumbers.ValidationResult.IS_POSSIBLE
_APOSTROPHES = re.compile("['’]")
_LATIN_MARKS = re.compile("(?<=[A-Za-z])[\u0300-\u036f]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[0-9])(?=[A-Z][a-z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATORS = re.compile(r"[\W_]+")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+")
_LOCALE = re.compile(r"([A-Za-z]{2})(?:[-_](?:[A-Za-z]{4}[-_])?([A-Za-z]{2}))?(?:[-_.@].*)?")


def snake_case(name: str) -> str:
    """`Product Added to Wishlist`, `productAddedToWishlist` -> `product_added_to_wishlist`; snake_case stays.

    Accents of Latin letters go, other alphabets stay. A name without any letter or digit becomes "".
    """
    return _snake_case_cached(name) if len(name) <= NAME_CACHED else _snake_case(name)


def instant(value: Any) -> datetime:
    """An ISO 8601 text as a moment in UTC; without an offset it is taken for UTC."""
    if not isinstance(value, str):
        raise ValueError("not an ISO 8601 time")
    try:
        moment = datetime.fromisoformat(value.strip())
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("not an ISO 8601 time") from None


def string(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise ValueError("not a text")


def number(value: Any) -> int | float:
    if isinstance(value, str) and len(value) <= NUMBER_TEXT and _NUMBER.fullmatch(value.strip()):
        value = float(value) if "." in value else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError("not a number")
    return value


def integer(value: Any) -> int:
    found = number(value)
    if found != int(found):
        raise ValueError("not a whole number")
    return int(found)


def boolean(value: Any) -> bool:
    if isinstance(value, str) and (text := value.strip().lower()) in ("true", "false"):
        return text == "true"
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    raise ValueError("neither true nor false")


def flag(value: Any) -> bool:
    """A JSON boolean and nothing else, for what must not be guessed, such as permissions."""
    if isinstance(value, bool):
        return value
    raise ValueError("neither true nor false")


def email(value: Any) -> str:
    text = string(value).strip()
    if _EMAIL.fullmatch(text):
        return text
    raise ValueError("not an email address")


def e164(value: Any, event: Event) -> str:
    """A phone number with its country code. A national one is read as the visitor's country writes it."""
    found = _e164(string(value).strip()[:NUMBER_TEXT], region(event))
    if found is None:
        raise ValueError("not a phone number that can be completed to E.164")
    return found


def region(event: Event) -> str | None:
    """The visitor's country: from the traits, else from the locale, if it names one that has telephones."""
    context = _object(event.get("context"))
    traits = (_object(event.get("traits")), _object(context.get("traits")))
    candidates = [t.get("country") for t in traits] + [_object(t.get("address")).get("country") for t in traits]
    locale = context.get("locale")
    if isinstance(locale, str) and (parts := _LOCALE.fullmatch(locale)):
        candidates.append(parts[2])
    for candidate in candidates:
        if isinstance(candidate, str) and (code := _country(candidate)) in phonenumbers.SUPPORTED_REGIONS:
            return code
    return None


def country(value: Any) -> str:
    """ISO 3166-1 alpha-2."""
    code = _country(string(value))
    if len(code) == 2 and code.isascii() and code.isalpha():
        return code
    raise ValueError("not a country code of two letters")


def language(value: Any) -> str:
    """`en-US` -> `en_US`, `de` -> `de`."""
    if parts := _LOCALE.fullmatch(string(value).strip()):
        return f"{parts[1].lower()}_{parts[2].upper()}" if parts[2] else parts[1].lower()
    raise ValueError("not a language such as en_US")


CONVERTERS: Mapping[str, Converter] = MappingProxyType(
    {
        "string": lambda value, _: string(value),
        "number": lambda value, _: number(value),
        "integer": lambda value, _: integer(value),
        "boolean": lambda value, _: boolean(value),
        "flag": lambda value, _: flag(value),
        "list": lambda value, _: value if isinstance(value, list) else [value],
        "lower": lambda value, _: string(value).lower(),
        "upper": lambda value, _: string(value).upper(),
        "trim": lambda value, _: string(value).strip(),
        "snake_case": lambda value, _: snake_case(string(value)),
        "datetime": lambda value, _: instant(value).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "email": lambda value, _: email(value),
        "e164": e164,
        "country": lambda value, _: country(value),
        "language": lambda value, _: language(value),
    }
)
"""Every converter that a mapping may name."""


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _country(text: str) -> str:
    code = text.strip().upper()
    return "GB" if code == "UK" else code  # the one code that people use in place of the official one


def _snake_case(name: str) -> str:
    folded = _LATIN_MARKS.sub("", unicodedata.normalize("NFKD", _APOSTROPHES.sub("", name)))
    words = _CAMEL.sub("_", unicodedata.normalize("NFC", folded))
    return _SEPARATORS.sub("_", words).strip("_").casefold()


_snake_case_cached = lru_cache(maxsize=4096)(_snake_case)


@lru_cache(maxsize=4096)  # a visitor's number comes with each of the visitor's events; parsing costs 10 to 50 µs
def _e164(text: str, hint: str | None) -> str | None:
    international = "+" + text[2:] if text.startswith("00") else text
    try:
        parsed = phonenumbers.parse(international, hint)
    except phonenumbers.NumberParseException:
        return None
    # Possible rather than valid: new ranges and the numbers reserved for examples are not in the metadata's patterns.
    if phonenumbers.is_possible_number_with_reason(parsed) != _COMPLETE:
        return None
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)

"""JSON on a page: as it is, and however long a stranger made it, no more than a page holds."""

from typing import Any

import pytest

from signal_actor.management.pages import code


def test_keys_texts_and_numbers_are_told_apart() -> None:
    shown = str(code.coloured({"name": "<b>", "price": 49.99}))
    assert '<span class="json-key">&#34;name&#34;</span>: <span class="json-text">&#34;&lt;b&gt;&#34;,</span>' in shown
    assert '<span class="json-number">49.99</span>' in shown


@pytest.mark.parametrize(
    "value",
    [
        {"list": [0] * 100_000},
        {"keys": {str(number): {} for number in range(100_000)}},
        {"text": "x" * 1_000_000},
        {"x" * 1_000_000: 1},
        "\n" * 100_000,
    ],
    ids=["list", "keys", "text", "key", "lines"],
)
def test_what_is_too_long_is_cut_and_says_how_much_is_missing(value: Any) -> None:
    shown = str(code.coloured(value))
    assert len(shown) < 300_000
    assert shown.count("\n") <= 2 * code.LINES
    assert "… " in shown


def test_what_is_missing_is_counted() -> None:
    assert f"… {100_000 - code.LINES + 1:,} more" in code.pretty([0] * 100_000)
    assert "… 5 more characters" in code.pretty(["x" * (code.CHARACTERS + 5)])


def test_what_fits_is_whole() -> None:
    assert "…" not in code.pretty({"list": [0] * (code.LINES - 2)})


def test_nesting_is_no_trap() -> None:
    nested: Any = "bottom"
    for _ in range(900):
        nested = [nested]
    assert "nested deeper" in code.coloured(nested)
    assert code.pretty("[" * 5_000) == "[" * 5_000


def test_differences_are_found_line_by_line() -> None:
    old, new = {"a": 1, "b": [1, 2], "z": 0}, {"a": 1, "b": [2, 3], "z": 0}
    changed = [line for line in code.compared(old, new) if line[0] != "="]
    assert changed == [("-", "    1,"), ("-", "    2"), ("+", "    2,"), ("+", "    3")]


def test_long_differences_are_not_searched_for_what_they_have_in_common() -> None:
    found = code.compared([0, 1] * 400, [1, *[0, 2] * 400])
    assert "".join(sign for sign, _ in found[1:-1]) == "-" * 800 + "+" * 801

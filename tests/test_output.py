"""Output: what strangers wrote is shown on a terminal, and steers nothing."""

import json

import pytest

from signal_actor.cli import output
from signal_actor.wire import visible

STEERING = "a\x1b]0;owned\x07\x1b[31m\x9b31m\u202eb\x7f"


def test_a_table_obeys_no_stranger(capsys: pytest.CaptureFixture[str]) -> None:
    output.rows([{"event_id": 1, "last_error": STEERING}], as_json=False, empty="")
    shown = capsys.readouterr().out
    assert r"a\x1b]0;owned\x07\x1b[31m\x9b31m\u202eb\x7f" in shown
    assert not set(shown) & set("\x1b\x07\x9b\u202e\x7f")


def test_json_means_the_same_and_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    output.document({"name": STEERING, "café": "naïve"})
    shown = capsys.readouterr().out
    assert json.loads(shown) == {"name": STEERING, "café": "naïve"}
    assert "café" in shown
    assert not set(shown) & set("\x1b\x07\x9b\u202e\x7f")


def test_ordinary_text_stays() -> None:
    text = "Zażółć\tgęślą\njaźń, 日本語, עברית 🙂"
    assert visible(text) == text

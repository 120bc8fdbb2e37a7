"""Secrets: encrypted at rest, fetched from where operators keep them, and in no message."""

import os
import re
import stat
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from signal_actor import secrets
from signal_actor.errors import UsageError
from signal_actor.secrets import Box, open_box

SECRET = "hunter2-hunter2-hunter2"


class Vendor(BaseModel):
    region: str = "eu"
    url: str
    api_key: SecretStr
    token: SecretStr | None = None
    headers: dict[str, SecretStr] = {}


def test_what_goes_in_comes_out() -> None:
    box = Box("a key for tests only")
    text = box.encrypt({"api_key": SECRET, "headers": {"X": "ü"}})
    assert text is not None and SECRET not in text
    assert box.decrypt(text) == {"api_key": SECRET, "headers": {"X": "ü"}}
    assert box.encrypt({}) is None
    assert box.decrypt(None) == {}


def test_a_box_does_not_show_its_key() -> None:
    assert "tests" not in repr(Box("a key for tests only"))


@pytest.mark.parametrize("text", ["", "nonsense", "gAAAAA=="])
def test_a_damaged_text_is_said_to_need_another_key(text: str) -> None:
    with pytest.raises(UsageError, match=r"^SIGNAL_SECRET_KEY: "):
        Box("a key for tests only").decrypt(text)


def test_another_key_is_refused_with_the_remedy() -> None:
    text = Box("a key for tests only").encrypt({"api_key": SECRET})
    with pytest.raises(UsageError) as raised:
        Box("another key for tests").decrypt(text)
    assert str(raised.value) == (
        "SIGNAL_SECRET_KEY: the stored secrets were encrypted with another key; "
        "set it to that key, or put the old secret.key back into the data directory"
    )
    assert raised.value.__cause__ is None


def test_the_key_file_is_created_once_for_its_owner_only(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        text = open_box(tmp_path, {}).encrypt({"api_key": SECRET})
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "secret.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]
    assert open_box(tmp_path, {}).decrypt(text) == {"api_key": SECRET}


def test_two_that_create_the_key_file_at_once_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def beaten(source: Path, target: Path) -> None:
        target.write_text("the other one was faster\n")
        link(source, target)

    monkeypatch.setattr(os, "link", beaten)
    assert secrets.key_file(tmp_path / "secret.key") == "the other one was faster"
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_a_key_that_could_not_be_written_whole_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match=r"secret\.key: cannot be used \(No space left on device\)"):
        secrets.key_file(tmp_path / "secret.key")
    assert list(tmp_path.iterdir()) == []


def test_the_environment_beats_the_file(tmp_path: Path) -> None:
    text = Box("a key for tests only").encrypt({"api_key": SECRET})
    assert open_box(tmp_path, {"SIGNAL_SECRET_KEY": " a key for tests only\n"}).decrypt(text)
    assert list(tmp_path.iterdir()) == []


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        open_box(tmp_path, {"SIGNAL_SECRET_KEY": "short"})
    assert str(raised.value) == (
        "SIGNAL_SECRET_KEY: a key of 5 characters is too short, use at least 16 random ones, "
        "for example from `openssl rand -base64 32`"
    )
    (tmp_path / "secret.key").touch()
    with pytest.raises(UsageError, match=r"secret\.key: a key of 0 characters is too short"):
        open_box(tmp_path, {})


def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret.key").mkdir()
    with pytest.raises(UsageError) as raised:
        open_box(tmp_path, {})
    assert str(raised.value) == (
        f"{tmp_path}/secret.key: cannot be used (Is a directory); mend it, or set SIGNAL_SECRET_KEY"
    )


def test_references_are_fetched(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET + "\n")
    resolve = secrets.references({"KEY": SECRET}, tmp_path)
    assert resolve("env:KEY") == resolve("file:key") == resolve(f"file:{tmp_path}/key") == resolve(SECRET) == SECRET


def test_references_that_lead_nowhere_are_named(tmp_path: Path) -> None:
    resolve = secrets.references({"EMPTY": ""}, tmp_path)
    for text, words in [
        ("env:KEY", "the environment variable KEY is not set"),
        ("env:EMPTY", "the environment variable EMPTY is not set"),
        ("file:key", "key cannot be read (No such file or directory)"),
    ]:
        with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
            resolve(text)


@pytest.mark.parametrize("text", ["env:SIGNAL_SECRET_KEY", "file:/etc/passwd"])
def test_the_api_reads_nothing_of_the_servers(text: str) -> None:
    with pytest.raises(ValueError, match="for the configuration file"):
        secrets.literal(text)


def test_secret_fields_are_found_however_deep() -> None:
    assert secrets.fields(Vendor) == {"api_key", "token", "headers"}


def test_settings_are_split_and_defaults_left_out() -> None:
    settings = Vendor(url="https://a.example", api_key=SecretStr(SECRET), headers={"X": SecretStr("y")})
    assert secrets.split(settings) == ({"url": "https://a.example"}, {"api_key": SECRET, "headers": {"X": "y"}})

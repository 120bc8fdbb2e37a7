"""Secrets: what vendors' keys are while they rest in the database, and where an operator may keep them instead.

A secret is a field of a vendor's settings whose type contains `SecretStr`. Only those fields are encrypted, as one text
per integration; nothing here ever puts a value into a message, a repr or a log.
"""

import json
import os
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import BaseModel, SecretStr

from signal_actor.errors import UsageError

MIN_KEY = 16  # characters; the key is stretched, not strengthened, so it has to be random by itself
KEY_FILE = "secret.key"
VARIABLE = "SIGNAL_SECRET_KEY"
MASK = "***"  # what people are shown in the place of a secret


class Box:
    """Encrypts and decrypts the secrets of integrations with one key."""

    def __init__(self, key: str) -> None:
        stretched = HKDF(SHA256(), length=32, salt=None, info=b"signal-actor integration secrets").derive(key.encode())
        self._fernet = Fernet(urlsafe_b64encode(stretched))

    def __repr__(self) -> str:
        return "Box(***)"

    def encrypt(self, values: Mapping[str, Any]) -> str | None:
        """The values as one text for the database; None if there are none."""
        return self._fernet.encrypt(json.dumps(values).encode()).decode() if values else None

    def decrypt(self, text: str | None) -> dict[str, Any]:
        """The values again. Raises UsageError if the key is not the one they were encrypted with."""
        if text is None:
            return {}
        try:
            values: dict[str, Any] = json.loads(self._fernet.decrypt(text))
        except InvalidToken:
            raise UsageError(
                f"{VARIABLE}: the stored secrets were encrypted with another key; "
                f"set it to that key, or put the old {KEY_FILE} back into the data directory"
            ) from None
        return values


def open_box(data_dir: Path, environ: Mapping[str, str]) -> Box:
    """The box of a data directory: its key is in the environment, else in a file that is created if it is missing."""
    if VARIABLE in environ:
        key, origin = environ[VARIABLE].strip(), VARIABLE
    else:
        key, origin = key_file(data_dir / KEY_FILE), str(data_dir / KEY_FILE)
    if len(key) < MIN_KEY:
        raise UsageError(
            f"{origin}: a key of {len(key)} characters is too short, use at least {MIN_KEY} random ones, "
            "for example from `openssl rand -base64 32`"
        )
    return Box(key)


def key_file(path: Path) -> str:
    """The key in the file. A missing one is created whole or not at all, for its owner's eyes only."""
    try:
        if not path.exists():
            fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(descriptor, "w") as file:
                    file.write(secrets.token_urlsafe(32) + "\n")
                    file.flush()
                    os.fsync(file.fileno())
                # A link, unlike a rename, does not replace a key that another process has just created.
                os.link(fresh, path)
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
            directory = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text"
        raise UsageError(f"{path}: cannot be used ({reason}); mend it, or set {VARIABLE}") from None


Resolve = Callable[[str], str]
"""Turns a secret as it is written into the secret itself. Raises ValueError with words for the operator."""


def literal(text: str) -> str:
    """For the Management API, where a reference would let an editor read the server's files and environment."""
    if text.startswith(("env:", "file:")):
        raise ValueError("env: and file: are for the configuration file, give the secret itself")
    return text


def references(environ: Mapping[str, str], folder: Path) -> Resolve:
    """For the configuration file: a secret may be `env:NAME`, or `file:PATH` relative to that file's folder."""

    def resolve(text: str) -> str:
        kind, _, rest = text.partition(":")
        if kind == "env":
            if not environ.get(rest):
                raise ValueError(f"the environment variable {rest} is not set")
            return environ[rest]
        if kind == "file":
            try:
                return (folder / rest).read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "not a text"
                raise ValueError(f"{rest} cannot be read ({reason})") from None
        return text

    return resolve


def fields(model: type[BaseModel]) -> frozenset[str]:
    """The names of the fields that are or contain secrets."""
    return frozenset(name for name, info in model.model_fields.items() if _is_secret(info.annotation))


def split(settings: BaseModel) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings as JSON: what may be seen, and the secrets in the clear. What equals its default is left out."""
    names = fields(type(settings))
    seen = settings.model_dump(mode="json", exclude=set(names), exclude_defaults=True)
    given = settings.model_dump(include=set(names), exclude_defaults=True)
    return seen, {name: _reveal(value) for name, value in given.items()}


def walk(value: Any, change: Callable[[str], str]) -> Any:
    """The value with every text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: walk(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [walk(item, change) for item in value]
    return value


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(_is_secret(part) for part in get_args(annotation))


def _reveal(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, dict):
        return {key: _reveal(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_reveal(item) for item in value]
    return value

"""Errors: what our own code raises for our own callers. What the outside world does wrong is a value, not an exception.

SignalError                 anything we raise on purpose
├── UsageError              the operator can mend it: one line that names file, key and fix (exit 2)
│   └── ConfigurationError  a configuration that cannot be applied
│       └── Conflict        what it is called is taken
├── HeldElsewhere           another process holds the data directory (exit 3)
├── Refusal                 an HTTP request that is answered with an error body
├── MappingError            an event that its mapping cannot turn into a payload
└── StorageError            the database did not take a transaction
    ├── StorageFull         the disk or the file's bound is reached; passes by itself
    └── StorageLost         the database cannot be trusted any more; ends the process
"""


class SignalError(Exception):
    """Anything Signal Actor raises on purpose."""


class UsageError(SignalError):
    """Wrong usage, said in one line that names what is wrong, where, and what to do."""


class ConfigurationError(UsageError):
    """A configuration that cannot be applied; the message starts with the file and the key."""


class Conflict(ConfigurationError):
    """Something valid that cannot be, because what it is called is taken."""


class HeldElsewhere(SignalError):
    """The data directory belongs to another running process."""


class Refusal(SignalError):
    """A request that is answered with an error. `code` is the contract's, `message` is for people."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after


class MappingError(SignalError):
    """The event cannot be turned into the vendor's payload; the message names the field."""


class StorageError(SignalError):
    """The database did not take the transaction; nothing of it was stored, or whether it was is unknown."""


class StorageFull(StorageError):
    """No room on the disk or within the configured bound. Nothing was stored; it may work later."""


class StorageLost(StorageError):
    """A write or fsync failed: what reached the disk is unknown, so the process must end and start anew."""

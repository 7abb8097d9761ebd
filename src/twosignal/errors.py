"""Every error a user can meet, as a sentence with place and remedy, and the exit code it ends the command with.

TwosignalError                 exit 1: our own fault
    InputError (ValueError)    exit 2: what the user gave: a file, a line, a config key, an option
        ConfigError            the run file or a --set option
        SourceError            the data of one source
        RunError               a run folder that is missing, damaged, or does not fit
        StorageError           a folder that cannot be written, or a full disk
    HaltedError                exit 3: the gate stopped the run
    RefusedError               exit 4: the proof refused to start the run
"""

from typing import ClassVar


class TwosignalError(Exception):
    """What went wrong, where, what was found and expected, and what to do about it."""

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        message: str,
        *,
        where: str = "",
        found: str = "",
        expected: str = "",
        remedy: str = "",
    ) -> None:
        self.message = message
        self.where = where
        self.found = found
        self.expected = expected
        self.remedy = remedy
        super().__init__(self.sentence())

    def sentence(self) -> str:
        """Return the whole error as one line: `where: message (found ..., expected ...). remedy`."""
        facts = [
            f"{name} {value}" for name, value in (("found", self.found), ("expected", self.expected)) if value
        ]
        text = f"{self.where}: {self.message}" if self.where else self.message
        text = text.rstrip(".")
        if facts:
            text += f" ({'; '.join(facts)})"
        return f"{text}. {self.remedy}".rstrip() if self.remedy else f"{text}."


class InputError(TwosignalError, ValueError):
    """Something the user gave cannot be used."""

    exit_code: ClassVar[int] = 2


class ConfigError(InputError):
    """A run file or a `--set` option is wrong."""


class SourceError(InputError):
    """The data of a source is missing, malformed, empty, or has nothing to learn from."""


class RunError(InputError):
    """A run folder is missing, damaged, or does not fit what was asked."""


class StorageError(InputError):
    """A folder cannot be written, or the disk is full."""


class HaltedError(TwosignalError):
    """The gate stopped the run; the message names the evidence."""

    exit_code: ClassVar[int] = 3


class RefusedError(TwosignalError):
    """The proof found that the run would not train on what it says it trains on."""

    exit_code: ClassVar[int] = 4

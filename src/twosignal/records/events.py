"""What happened, one record at a time: takes an `Event`, gives its line of events.jsonl, chained to the line before.

The chain covers what happened, not when. A line's `hash` is taken over the previous hash and
everything in the line except `clock` and `hash`, so two runs that did the same have the same
chain, on any day and machine, and the last hash is the run's fingerprint.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, get_args

from twosignal.records.values import Json, canonical, compact, decode, encode

Kind = Literal[
    "start", "prove", "sample", "probe", "checkpoint", "finding", "verdict", "action", "switch", "end"
]
KINDS: Final[tuple[str, ...]] = get_args(Kind)
VERSION: Final = 1
HEADER: Final[Mapping[str, Json]] = {"twosignal": "records", "version": VERSION}
"""First line of events.jsonl."""

_NUMBER = (int, float)
REQUIRED: Final[Mapping[str, Mapping[str, tuple[type, ...]]]] = {
    "start": {"model": (str,), "vocab": (int,), "steps": (int,), "sources": (list,)},
    "prove": {"passed": (bool,), "checks": (list,)},
    "sample": {"prompt": (str,), "text": (str,), "source": (str,), "loss": (*_NUMBER, type(None))},
    "probe": {"loss": _NUMBER, "by_source": (dict,)},
    "checkpoint": {"path": (str,)},
    "finding": {"id": (str,), "severity": (str,), "message": (str,), "evidence": (dict,), "steps": (list,)},
    "verdict": {"verdict": (str,), "reason": (str,)},
    "action": {"action": (str,), "reason": (str,)},
    "switch": {"reason": (str,)},
    "end": {"state": (str,)},
}
"""Fields the body of each kind must have, with their types; more fields are welcome."""
END_STATES: Final = ("finished", "halted", "refused")
"""States of an `end` event. A run that can go on, interrupted or failed, has no end."""
_RESERVED: Final = ("kind", "step", "attempt", "clock", "hash", "fork")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened in a run."""

    kind: Kind
    """What sort of thing."""
    step: int
    """Optimizer step after which it happened; 0 before the first."""
    attempt: int = 0
    """How often the run had left the path of its earlier records by then; set by the writer."""
    body: Mapping[str, object] = field(default_factory=dict)
    """What happened: None, bool, int, float, str, list and dict; floats may be nan or infinite."""
    clock: Mapping[str, object] = field(default_factory=dict)
    """Whatever depends on the moment or the machine: wall time, seconds, speed, run id, host."""

    def check(self) -> None:
        """Raise ValueError when the kind is unknown, or a field is missing, mistyped or reserved."""
        if fault := self._fault():
            message = f"{self.kind} event at step {self.step}: {fault}"
            raise ValueError(message)

    def number(self, name: str) -> float:
        """Return a field of the body as a float; raise KeyError or TypeError where it is none."""
        value = self.body[name]
        if isinstance(value, (int, float)):
            return float(value)
        raise TypeError(self._mistyped(name, "a number"))

    def text(self, name: str) -> str:
        """Return a field of the body as text; raise KeyError or TypeError where it is none."""
        value = self.body[name]
        if isinstance(value, str):
            return value
        raise TypeError(self._mistyped(name, "text"))

    def _fault(self) -> str | None:
        if self.kind not in KINDS:
            return f"no such kind; one of {', '.join(KINDS)}"
        for name, types in REQUIRED[self.kind].items():
            if name not in self.body:
                return f"the body lacks {name!r}"
            if not isinstance(self.body[name], types):
                expected = " or ".join(one.__name__ for one in types)
                return f"{name!r} is a {type(self.body[name]).__name__}, not {expected}"
        if taken := [name for name in _RESERVED if name in self.body]:
            return f"{taken[0]!r} is a part of every record and cannot be a field of the body"
        if self.kind == "end" and self.body["state"] not in END_STATES:
            return f"state is {self.body['state']!r}, not one of {', '.join(END_STATES)}"
        return None

    def _mistyped(self, name: str, expected: str) -> str:
        return f"{self.kind} event at step {self.step}: {name!r} is {self.body[name]!r}, not {expected}"


class ChainedLine(NamedTuple):
    """A line of events.jsonl with its newline, and its hash."""

    line: bytes
    hash: str


def encode_event(event: Event, previous: str) -> ChainedLine:
    """Return the line of `event` that follows the line with hash `previous`."""
    where = f"{event.kind} event at step {event.step}"
    record: dict[str, Json] = {"kind": event.kind, "step": event.step, "attempt": event.attempt}
    record |= {name: encode(value, where=f"{where}: {name}") for name, value in event.body.items()}
    clock = {name: encode(value, where=f"{where}: clock.{name}") for name, value in event.clock.items()}
    return chain(record, previous, clock=clock)


def chain(
    record: Mapping[str, Json], previous: str, *, clock: Mapping[str, Json] | None = None
) -> ChainedLine:
    """Return the line of an encoded record; `clock` is written into it but not into its hash."""
    digest = chain_hash(record, previous)
    timed = {} if clock is None else {"clock": clock}
    return ChainedLine(compact({**record, **timed, "hash": digest}) + b"\n", digest)


def chain_hash(record: Mapping[str, Json], previous: str) -> str:
    """Return 32 hex digits: blake2b of `previous` and of `record` without its clock and hash."""
    covered = {name: value for name, value in record.items() if name not in ("clock", "hash")}
    return hashlib.blake2b(previous.encode("ascii") + canonical(covered), digest_size=16).hexdigest()


FIRST_HASH: Final = chain_hash(HEADER, "")
"""What the first event is chained to: the hash of the header."""


def decode_event(record: Mapping[str, Json]) -> Event:
    """Return the event of one parsed line; raise KeyError, TypeError or ValueError where it is none."""
    kind, step, attempt = record["kind"], record["step"], record["attempt"]
    if kind not in KINDS or not isinstance(step, int) or not isinstance(attempt, int):
        message = f"kind {kind!r}, step {step!r}, attempt {attempt!r} are no event"
        raise ValueError(message)
    clock = record.get("clock", {})
    if not isinstance(clock, dict):
        message = f"clock is {clock!r}, not an object"
        raise TypeError(message)
    body = {name: decode(value) for name, value in record.items() if name not in _RESERVED}
    timed = {name: decode(value) for name, value in clock.items()}
    return Event(kind=kind, step=step, attempt=attempt, body=body, clock=timed)  # type: ignore[arg-type]


DECODERS: Final[Mapping[int, Callable[[Mapping[str, Json]], Event]]] = {1: decode_event}
"""Reads the lines of every format there ever was; lines of the newest are written."""

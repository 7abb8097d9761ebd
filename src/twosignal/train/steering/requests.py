"""When an operator's request takes effect: takes a run's records and request files, gives each request at its one step.

A new request is taken up before the first step that the run has not yet recorded. The record of it, a `switch` event, holds its
number, its settings and the step; a run that was killed and goes on from an older checkpoint takes it up there again, so
nothing differs from a run that was never killed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from twosignal.curriculum.request import MixSettings, read_settings
from twosignal.records.reader import Run
from twosignal.records.requests import read_request, refusal_of, refuse_request


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A request whose step has come."""

    number: int
    """Number of its file."""
    settings: MixSettings
    """What it asks for, as the file says."""


class Requests:
    """The requests of one run, in order, each taken up once."""

    def __init__(self, run: Run) -> None:
        """Read which requests the records know, and how far they reach."""
        self.taken = 0
        """Requests taken up or refused so far."""
        self._folder = run.path
        self._last_step = run.last_step
        self._told = {
            int(event.number("request")): (event.step, _settings(event.body))
            for event in run.events("switch")
            if "request" in event.body
        }

    def due(self, step: int) -> Due | None:
        """Return the next request if it is to take effect after `step`; None when there is none."""
        number = self.taken + 1
        if number in self._told:
            told_at, settings = self._told[number]
            return Due(number=number, settings=settings) if step >= told_at else None
        if refusal_of(self._folder, number) is not None:
            self.taken = number
            return self.due(step)
        if step < self._last_step:
            return None
        try:
            body = read_request(self._folder, number)
            asked = None if body is None else read_settings(body)
        except ValueError as error:
            self.refuse(number, f"the request cannot be read: {error}")
            return self.due(step)
        return None if asked is None else Due(number=number, settings=asked)

    def done(self, number: int) -> None:
        """Note that a request has taken effect."""
        self.taken = number

    def refuse(self, number: int, reason: str) -> None:
        """Note that a request cannot be followed, and say why to whoever waits for it; raise StorageError."""
        self.taken = number
        refuse_request(self._folder, number, reason)


def _settings(body: Mapping[str, object]) -> MixSettings:
    settings = body.get("settings")
    return read_settings(settings if isinstance(settings, dict) else {})

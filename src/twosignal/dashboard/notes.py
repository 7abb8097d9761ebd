"""What a run's events say, kept short: takes the tail of events.jsonl, gives samples as columns and series by event.

Every sample is parsed once, and of it only figures and its first words are kept; the whole text is read again when
somebody opens it.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

import numpy as np

from twosignal.audits.breadth import effective_number
from twosignal.audits.degeneration import score_texts
from twosignal.audits.recorded import Probe, read_probe
from twosignal.dashboard.buckets import FIGURES, Buckets, Series
from twosignal.dashboard.sample_notes import SampleNote, read_note
from twosignal.dashboard.tail import EventTail
from twosignal.dashboard.tracks import Track
from twosignal.records.events import Event

BREADTH_SAMPLINGS: Final = 8
EVENT_TITLES: Final[Mapping[str, tuple[str, str, str]]] = {
    "probe": ("held-out loss", "nats per target", "probes"),
    "mix_adjusted": ("held-out loss at a fixed mixture", "nats per target", "probes"),
    "probe_bits_per_byte": ("held-out bits per byte", "bits per byte", "probes"),
    "coherence": ("coherence", "of 100", "samples"),
    "sample_loss": ("loss of the samples", "nats per token", "samples"),
    "degenerate": ("texts gone wrong", "share", "samples"),
    "copied": ("copied texts", "share", "samples"),
    "breadth": ("breadth", "domains", "samples"),
    "share": ("share", "of rows", "shares"),
}
"""Title, unit and group of every kind of series by event."""


OF_SAMPLES: Final = ("coherence", "sample_loss", "degenerate", "copied", "breadth")
"""Series with one bucket for every sampling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSeries:
    """A series with steps of its own."""

    steps: list[int]
    """Steps, rising."""
    buckets: Buckets
    """One bucket for every step."""


@dataclass(slots=True, kw_only=True)
class Notes:
    """What the events of one run say."""

    tail: EventTail
    """The events."""
    _samples: dict[int, SampleNote] = field(default_factory=dict)
    _degenerate: dict[int, bool] = field(default_factory=dict)
    _kept: dict[tuple[str, int], list[Series]] = field(default_factory=dict)

    def forget(self) -> None:
        """Start over: the events were replaced."""
        self._samples.clear()
        self._degenerate.clear()
        self._kept.clear()

    def lines(self, kind: str, track: Track) -> list[int]:
        """Return the numbers of a track's events of a kind, oldest first."""
        numbers = self.tail.by_kind.get(kind, [])
        return [
            number
            for stretch in track.lines
            for number in numbers[bisect_left(numbers, stretch.start) : bisect_left(numbers, stretch.stop)]
        ]

    def events(self, kind: str, track: Track) -> Iterator[Event]:
        """Yield a track's events of a kind, oldest first."""
        return self.tail.events(self.lines(kind, track))

    def last(self, kind: str, track: Track) -> Event | None:
        """Return a track's newest event of a kind."""
        lines = self.lines(kind, track)
        return self.tail.event(lines[-1]) if lines else None

    def first(self, kind: str) -> Event | None:
        """Return the first event of a kind."""
        lines = self.tail.by_kind.get(kind)
        return self.tail.event(lines[0]) if lines else None

    def samples(self, track: Track) -> list[SampleNote]:
        """Return every sample of a track, oldest first."""
        numbers = self.lines("sample", track)
        new = [number for number in numbers if number not in self._samples]
        for number, record in zip(new, self.tail.records(new), strict=True):
            self._samples[number] = read_note(self.tail.lines[number].step, record)
        return [self._samples[number] for number in numbers]

    def sample(self, number: int) -> SampleNote:
        """Return the sample of a line."""
        if number not in self._samples:
            record = next(self.tail.records([number]))
            self._samples[number] = read_note(self.tail.lines[number].step, record)
        return self._samples[number]

    def lines_at(self, kind: str, track: Track, step: int) -> list[int]:
        """Return the numbers of a track's events of a kind at a step, oldest first."""
        numbers = self.lines(kind, track)
        first, stop = (find(numbers, step, key=self._step) for find in (bisect_left, bisect_right))
        return numbers[first:stop]

    def _step(self, number: int) -> int:
        return self.tail.lines[number].step

    def names(self, track: Track) -> list[str]:
        """Return the names of the series by event that this track has something for."""
        names = []
        if probe := self.last("probe", track):
            sources = read_probe(probe.step, probe.body).by_source
            names += ["probe", "mix_adjusted", "probe_bits_per_byte", *(f"probe[{name}]" for name in sources)]
        if self.lines("sample", track):
            names += OF_SAMPLES
        return names + [f"share[{name}]" for name in self.shares(track)[1]]

    def series(self, name: str, track: Track) -> EventSeries:
        """Return a series by event; raise KeyError for an unknown name."""
        if name.startswith("share["):
            steps, shares = self.shares(track)
            return _series(steps, [[share] for share in shares[name[len("share[") : -1]]])
        if name in OF_SAMPLES:
            return self._by_sampling(name, track)
        value = self._of_probe(name)
        probes = [read_probe(event.step, event.body) for event in self.events("probe", track)]
        return _series([probe.step for probe in probes], [[value(probe)] for probe in probes])

    def shares(self, track: Track) -> tuple[list[int], dict[str, list[float]]]:
        """Return the steps at which shares were set, and every source's share from there on."""
        told = [
            (event.step, found)
            for kind in ("start", "switch")
            for event in self.events(kind, track)
            if isinstance(found := event.body.get("shares"), Mapping)
        ]
        names = dict.fromkeys(str(name) for _, shares in told for name in shares)
        return [step for step, _ in told], {
            name: [_number(shares.get(name)) for _, shares in told] for name in names
        }

    def _by_sampling(self, name: str, track: Track) -> EventSeries:
        """Return one bucket per sampling; those of all samplings but the last were kept from the time before."""
        lines = self.lines("sample", track)
        groups = [list(numbers) for _, numbers in groupby(lines, lambda n: self.tail.lines[n].step)]
        kept = self._kept.setdefault((name, track.attempt), [])
        del kept[max(0, len(groups) - 1) :], kept[-1:]
        if name == "degenerate":
            self._judge([number for group in groups[len(kept) :] for number in group])
        reach = BREADTH_SAMPLINGS if name == "breadth" else 1
        for place in range(len(kept), len(groups)):
            near = [number for group in groups[max(0, place + 1 - reach) : place + 1] for number in group]
            kept.append(self._sampling(name, near))
        steps = [self.tail.lines[group[0]].step for group in groups]
        return EventSeries(steps=steps, buckets=Buckets(figures=np.array(kept).reshape(-1, FIGURES)))

    def _sampling(self, name: str, numbers: Sequence[int]) -> Series:
        """Return the bucket of one sampling."""
        if name == "degenerate":
            return _bucket([_share(self._degenerate[number] for number in numbers)])
        notes = [self.sample(number) for number in numbers]
        if name == "copied":
            return _bucket([_share(note.words["copied"] == "memorized" for note in notes)])
        if name == "breadth":
            domains = Counter(note.words["domain"] for note in notes if note.words["domain"])
            return _bucket([effective_number(domains) or None])
        return _bucket([note.coherence if name == "coherence" else note.loss for note in notes])

    def _judge(self, numbers: Sequence[int]) -> None:
        """Find out whether each of several samples has gone wrong: the run says so, or its text is scored."""
        new = [number for number in numbers if number not in self._degenerate]
        self._degenerate |= {number: self.sample(number).is_degenerate for number in new}
        lacking = [number for number in new if not self.sample(number).is_judged]
        bodies = list(self.tail.records(lacking))
        texts, prompts = ([str(body.get(name, "")) for body in bodies] for name in ("text", "prompt"))
        scores = score_texts(texts, prompts)
        self._degenerate |= {
            number: bool(one.degenerate) for number, one in zip(lacking, scores, strict=True)
        }

    def _of_probe(self, name: str) -> Callable[[Probe], float | None]:
        """Return what a series reads from every probe; raise KeyError for an unknown name."""
        if name == "mix_adjusted":
            start = self.first("start")
            mixture = start.body.get("target") or start.body.get("shares") if start else None
            weights = {str(k): _number(v) for k, v in mixture.items()} if isinstance(mixture, Mapping) else {}
            return lambda probe: _mix_adjusted(probe, weights)
        if name.startswith("probe[") and name.endswith("]"):
            source = name[len("probe[") : -1]
            return lambda probe: probe.by_source[source].loss if source in probe.by_source else None
        return {"probe": lambda probe: probe.loss, "probe_bits_per_byte": _bits}[name]


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else np.nan


def _bits(probe: Probe) -> float | None:
    """Return bits per byte over all sources that were measured in bytes."""
    parts = [one for one in probe.by_source.values() if one.num_bytes]
    nats = sum(one.loss * one.targets for one in parts)
    return nats / (sum(one.num_bytes for one in parts) * np.log(2)) if parts else None


def _mix_adjusted(probe: Probe, weights: Mapping[str, float]) -> float | None:
    """Return the mean of the sources' losses at a mixture that stays the same; evenly where none is known."""
    told = {name: weights.get(name, 0.0) for name in probe.by_source}
    if not sum(told.values()):
        told = dict.fromkeys(told, 1.0)
    total = sum(told.values())
    return sum(share * probe.by_source[name].loss for name, share in told.items()) / total if told else None


def _share(hits: Iterable[bool]) -> float:
    found = list(hits)
    return sum(found) / len(found)


def _bucket(values: Sequence[float | None]) -> Series:
    """Return mean, lowest and highest of the finite values, and how many are broken; None is no value."""
    told: Series = np.array([value for value in values if value is not None], dtype=np.float64)
    finite = told[np.isfinite(told)]
    broken = len(told) - len(finite)
    return np.array(
        [finite.mean(), finite.min(), finite.max(), broken] if len(finite) else [np.nan] * 3 + [broken]
    )


def _series(steps: Sequence[int], groups: Sequence[Sequence[float | None]]) -> EventSeries:
    figures = np.array([_bucket(group) for group in groups]).reshape(-1, FIGURES)
    return EventSeries(steps=list(steps), buckets=Buckets(figures=figures))

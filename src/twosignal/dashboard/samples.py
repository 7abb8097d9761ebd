"""What the model said: takes a run, gives the list of its samples as columns, and all texts of one sampling with marks."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from twosignal.audits.degeneration import Score, score
from twosignal.audits.tiers import Tiers, stored_tiers
from twosignal.dashboard.encoding import column, finite
from twosignal.dashboard.sample_notes import WORDS
from twosignal.dashboard.view import RunView
from twosignal.errors import RunError
from twosignal.records.events import Event


def sample_columns(
    view: RunView, *, first_step: int | None, last_step: int | None, heads: bool = False
) -> dict[str, Any]:
    """Return every sample of a range of steps, oldest first, one column for each of its figures."""
    track = view.track()
    numbers = view.notes.lines("sample", track)
    steps = [view.tail.lines[number].step for number in numbers]
    first = 0 if first_step is None else bisect_left(steps, first_step)
    stop = len(steps) if last_step is None else bisect_left(steps, last_step + 1)
    notes = [view.notes.sample(number) for number in numbers[first:stop]]
    words = {name: [note.words[name] for note in notes] for name in WORDS}
    known = {
        name: list(dict.fromkeys(one for one in told if one is not None)) for name, told in words.items()
    }
    places = {name: {word: place for place, word in enumerate(known[name])} for name in WORDS}
    return {
        "run": view.id,
        "count": len(notes),
        "step": steps[first:stop],
        "index": [place for _, group in groupby(steps[first:stop]) for place, _ in enumerate(group)],
        "loss": _figures([note.loss for note in notes]),
        "coherence": _figures([note.coherence for note in notes]),
        **{name: [places[name].get(one, -1) if one else -1 for one in words[name]] for name in WORDS},
        "words": known,
        **({"head": [note.head for note in notes]} if heads else {}),
    }


def sampling(view: RunView, step: int) -> dict[str, Any]:
    """Return all texts drawn at a step, or at the nearest one before it, or after; raise RunError without any."""
    track = view.track()
    numbers = view.notes.lines("sample", track)
    steps = list(dict.fromkeys(view.tail.lines[number].step for number in numbers))
    if not steps:
        raise RunError("the run has no samples yet", where=view.id)
    place = max(0, bisect_left(steps, step + 1) - 1)
    tiers = stored_tiers(view.run.config, where=view.id)
    return {
        "run": view.id,
        "step": steps[place],
        "first": steps[0],
        "previous": steps[place - 1] if place else None,
        "next": steps[place + 1] if place + 1 < len(steps) else None,
        "last": steps[-1],
        "samples": [
            _whole(view.tail.event(number), index, tiers=tiers)
            for index, number in enumerate(view.notes.lines_at("sample", track, steps[place]))
        ],
    }


def _figures(values: Sequence[float | None]) -> Any:  # noqa: ANN401 (a numpy column)
    return column(np.array([np.nan if value is None else value for value in values]))


def _whole(event: Event, index: int, *, tiers: Tiers) -> dict[str, Any]:
    body = event.body
    text, prompt = str(body.get("text", "")), str(body.get("prompt", ""))
    judged = score(text, prompt)
    copied = body.get("copied")
    tier = body.get("tier")
    told = {name: body.get(name) for name in ("loss", "ppl", "tokens", "tier", "action", "source", "domain")}
    return {
        "index": index,
        "prompt": prompt,
        "text": text,
        **finite(told),
        "reading": next((one.reading for one in tiers if one.name == tier), None),
        "scores": finite(body.get("scores") or {}),
        "degenerate": judged.degenerate,
        "spans": _spans(text, judged, copied if isinstance(copied, Mapping) else {}),
        "copied": finite(copied),
    }


def _spans(text: str, judged: Score, copied: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what was found in a text, by place, in UTF-16 units."""
    found: list[dict[str, Any]] = [
        {
            "start": start,
            "end": end,
            "kind": one.name,
            "reason": one.reason,
            "value": round(one.value, 4),
            "match": None,
        }
        for one in judged.signals
        for start, end in [one.span]
    ]
    found += [_copied_span(match, number) for number, match in enumerate(_matches(copied, text))]
    told = [one for one in found if 0 <= one["start"] <= one["end"] <= len(text)]
    units = _units(text)
    moved = [one | {"start": units[one["start"]], "end": units[one["end"]]} for one in told]
    return sorted(moved, key=lambda one: (one["start"], -one["end"]))


def _matches(copied: Mapping[str, Any], text: str) -> list[Mapping[str, Any]]:
    """Return the matches of a sample as recorded; one without a place in the text is shown nowhere."""
    matches = copied.get("matches")
    found = [one if isinstance(one, Mapping) else {} for one in matches] if isinstance(matches, list) else []
    whole = all(isinstance(one.get("start"), int) and isinstance(one.get("end"), int) for one in found)
    return found if whole else [{"start": -1, "end": len(text) + 1}] * len(found)


def _copied_span(match: Mapping[str, Any], number: int) -> dict[str, Any]:
    times = match.get("occurrences", 1)
    again = f", {times:,} times in all" if isinstance(times, int) and times > 1 else ""
    place = f"{match.get('source', '?')}: {match.get('file', '?')}:{match.get('line', '?')}"
    return {
        "start": match["start"],
        "end": match["end"],
        "kind": "repeated" if match.get("repetitive") else "copied",
        "reason": f"stands in the training text, {place}{again}",
        "value": match.get("tokens", 0),
        "match": number,
    }


def _units(text: str) -> list[int]:
    """Return how many UTF-16 units stand before every character, and before the end; that is how pages count."""
    units = [0]
    for character in text:
        units.append(units[-1] + 1 + (ord(character) > 0xFFFF))
    return units

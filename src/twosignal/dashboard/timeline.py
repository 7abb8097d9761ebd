"""What was decided in a run, and why: takes its events, gives a timeline with evidence, and marks for its charts."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from twosignal.dashboard.encoding import finite
from twosignal.dashboard.notes import Notes
from twosignal.dashboard.tail import Line
from twosignal.dashboard.tracks import Track
from twosignal.dashboard.view import RunView
from twosignal.records.events import Event

DECISIONS: Final = ("verdict", "action", "switch", "finding", "end")
MOST_MARKS: Final = 500
_TITLE: Final = {"verdict": "verdict", "action": "action", "finding": "id", "end": "state", "switch": "cause"}
"""Where each kind of decision says what it is."""
CUT_TEXT: Final = 200
"""Characters of a sample's prompt and text in a list of events."""
_SEVERITY: Final = {"continue": "note", "pivot": "warning", "halt": "halt", "halted": "halt"}


def timeline(view: RunView) -> dict[str, Any]:
    """Return every decision of a run, oldest first; those of abandoned attempts are there and say so."""
    track = view.track()
    items: list[dict[str, Any]] = []
    for line in view.tail.lines:
        if line.kind not in DECISIONS:
            continue
        item = _item(view.notes, view.tail.event(line.number), line, track=track)
        before = items[-1] if items else {}
        if _is_calm(item) and _is_calm(before) and before["live"] == item["live"]:
            items[-1] = item | {"count": before["count"] + 1, "from": before["from"]}
        else:
            items.append(item)
    return {"run": view.id, "items": finite(items)}


def marks(notes: Notes, track: Track) -> list[dict[str, Any]]:
    """Return what is drawn over the curves: decisions and checkpoints of a track, at most 500."""
    found = [mark for kind in DECISIONS for mark in _decisions(notes, kind, track=track)]
    room = max(0, MOST_MARKS - len(found))
    saved = [_mark(notes.tail.lines[number], "checkpoint") for number in notes.lines("checkpoint", track)]
    kept = saved[-room:] if room else []
    return sorted(found[-MOST_MARKS:] + kept, key=lambda mark: int(mark["step"]))


def phases(config: Mapping[str, Any], last_step: int) -> list[dict[str, Any]]:
    """Return the stretches of a run in which its sources were limited, from its run file."""
    table = config.get("curriculum", {})
    warmup = table.get("warmup", 0) if isinstance(table, Mapping) else 0
    if not isinstance(warmup, int) or warmup < 1:
        return []
    return [
        {"name": "warmup", "from": 1, "to": warmup},
        {"name": "all sources", "from": warmup + 1, "to": max(last_step, warmup + 1)},
    ]


def event_list(view: RunView, numbers: list[int]) -> list[dict[str, Any]]:
    """Return events as they were recorded; long texts of samples are cut."""
    track = view.track()
    return [_told(view.tail.event(number), number, is_live=track.holds_line(number)) for number in numbers]


def _told(event: Event, number: int, *, is_live: bool) -> dict[str, Any]:
    body = dict(event.body)
    for name in ("text", "prompt") if event.kind == "sample" else ():
        text = body.get(name)
        if isinstance(text, str) and len(text) > CUT_TEXT:
            body |= {name: text[:CUT_TEXT], f"{name}_cut": True}
    return {
        "number": number,
        "kind": event.kind,
        "step": event.step,
        "attempt": event.attempt,
        "live": is_live,
        "time": event.clock.get("time"),
        "body": finite(body),
    }


def _item(notes: Notes, event: Event, line: Line, *, track: Track) -> dict[str, Any]:
    body = event.body
    title = body.get(_TITLE[event.kind])
    title = title if isinstance(title, str) else event.kind
    severity = body.get("severity") if event.kind == "finding" else _SEVERITY.get(title, "note")
    return {
        "number": line.number,
        "kind": event.kind,
        "step": event.step,
        "attempt": event.attempt,
        "live": track.holds_line(line.number),
        "time": event.clock.get("time"),
        "title": title,
        "reason": body.get("reason") or body.get("message") or "",
        "severity": severity,
        "evidence": body.get("evidence") or {},
        "remedy": body.get("remedy", ""),
        "rule": body.get("rule", ""),
        "sample": _sample_of(notes, event, track=track),
        "count": 1,
        "from": event.step,
    }


def _sample_of(notes: Notes, event: Event, *, track: Track) -> dict[str, int] | None:
    """Return the sample that a decision is about: of its step, the copied one or the one of least coherence."""
    steps = event.body.get("steps")
    told = steps[-1] if isinstance(steps, list) and steps and isinstance(steps[-1], int) else event.step
    numbers = notes.lines_at("sample", track, told)
    if event.kind == "switch" or not numbers:
        return None
    found = [notes.sample(number) for number in numbers]
    copied = [place for place, note in enumerate(found) if note.words["copied"] == "memorized"]
    if copied and "cop" in str(event.body.get("id", "")):
        return {"step": told, "index": copied[0]}
    worst = min(
        range(len(found)), key=lambda place: (found[place].coherence is None, found[place].coherence or 0.0)
    )
    return {"step": told, "index": worst}


def _is_calm(item: Mapping[str, Any]) -> bool:
    return item.get("kind") == "verdict" and item.get("title") == "continue"


def _decisions(notes: Notes, kind: str, *, track: Track) -> Iterator[dict[str, Any]]:
    for number in notes.lines(kind, track):
        body = notes.tail.event(number).body
        if kind == "verdict" and body.get("verdict") == "continue":
            continue
        if kind == "finding" and body.get("severity") != "alarm":
            continue
        yield _mark(notes.tail.lines[number], str(body.get(_TITLE[kind], kind)))


def _mark(line: Line, label: str) -> dict[str, Any]:
    return {"step": line.step, "kind": line.kind, "label": label, "event": line.number}

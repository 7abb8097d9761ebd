"""The checkpoints of a run: takes what their states say, gives the one to roll back to, and those to keep.

A checkpoint is *sound* when nothing stood against the run as it was saved (`Gate.is_clear`), and *vouched for* when
samples of the same step or a later one were found sound too: what is saved between two samplings may have rotted
before anybody looked. Only what is told in the records counts; where an interrupted run was saved in between does not, so
that a run that was interrupted does what one does that was not.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from twosignal.records.retention import Retention
from twosignal.records.saved import Place, place_of, saved_checkpoints

GENERATIONS = 2
"""Sound checkpoints that are kept to roll back to: the second is for when the first leads to the same end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """One checkpoint, as far as its state says what it is."""

    path: Path
    place: Place
    is_told: bool
    """Whether the records tell of it."""
    is_sound: bool
    """Whether nothing stood against the run."""
    best: str | None
    """Name of the best checkpoint then."""


def read_shelf(run_folder: Path) -> list[Saved]:
    """Return the checkpoints of a run, oldest first."""
    return [_read(path) for path in saved_checkpoints(run_folder)]


def vouched(shelf: Sequence[Saved], *, sound_step: int | None, targets: Sequence[int]) -> tuple[Saved, ...]:
    """Return the checkpoints that may be rolled back to, one per step, ascending.

    `sound_step` is the newest step whose samples were sound; `targets` are the steps gone back to so far.
    """
    if sound_step is None:
        return ()
    usable = {
        one.place.step: one
        for one in shelf
        if one.is_told and one.is_sound and one.place.step <= sound_step and counts(one.place, targets)
    }
    return tuple(usable[step] for step in sorted(usable))


def target_of(usable: Sequence[Saved], *, targets: Sequence[int]) -> Saved | None:
    """Return the checkpoint to roll back to, or None; `usable` are the vouched for.

    It is the newest, unless the last roll back went there and nothing sound was saved since: then the one before it.
    """
    if not usable:
        return None
    is_stuck = bool(targets) and usable[-1].place.step <= targets[-1]
    return usable[-2] if is_stuck and len(usable) > 1 else usable[-1]


def counts(place: Place, targets: Sequence[int]) -> bool:
    """Return whether a checkpoint is on the way that the run's records go, after roll backs to `targets`."""
    return all(place.step <= step for step in targets[place.rollbacks :])


def names_to_keep(
    shelf: Sequence[Saved],
    *,
    retention: Retention,
    sound_step: int | None,
    targets: Sequence[int],
    verdicts: Sequence[int] = (),
) -> set[str]:
    """Return the names of the newest checkpoints that count, of those to roll back to, of the best of each, and of the rest
    that `retention` keeps, with `verdicts` made at these steps.
    """
    told = [one for one in shelf if one.is_told and counts(one.place, targets)]
    kept = [*told[-retention.keep :], *vouched(shelf, sound_step=sound_step, targets=targets)[-GENERATIONS:]]
    stay = retention.steps_to_keep([one.place.step for one in told], verdicts=verdicts)
    old = [one for one in told if one.place.step in stay]
    return {one.path.name for one in (*kept, *old)} | {one.best for one in kept if one.best}


def _read(path: Path) -> Saved:
    state = json.loads((path / "state.json").read_text(encoding="utf-8"))
    place = place_of(path.name)
    assert place is not None, "saved_checkpoints gives no other names"
    return Saved(
        path=path,
        place=place,
        is_told=bool(state.get("tell")),
        is_sound=bool(state.get("is_sound")),
        best=state.get("best"),
    )

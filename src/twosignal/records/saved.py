"""The names of checkpoints: takes a run folder, gives its checkpoints in the order in which they were saved.

    step-00000120      after step 120 of a run that was never rolled back
    step-00000120-r2   after step 120, after the second roll back

A run that was rolled back goes over some steps again, so step alone neither names nor orders its checkpoints.
"""

import re
from pathlib import Path
from typing import Final, NamedTuple

import twosignal.records.folder as places

_NAME: Final = re.compile(r"step-(\d{8,})(?:-r([1-9]\d*))?")


class Place(NamedTuple):
    """Where in a run a checkpoint was saved; places compare in the order of time."""

    rollbacks: int
    """Roll backs before it."""
    step: int
    """Last step done."""

    @property
    def name(self) -> str:
        """Name of the folder."""
        return f"step-{self.step:08d}" + (f"-r{self.rollbacks}" if self.rollbacks else "")


def place_of(name: str) -> Place | None:
    """Return where the checkpoint of a name was saved; None for any other name."""
    match = _NAME.fullmatch(name)
    return Place(int(match[2] or 0), int(match[1])) if match else None


def saved_checkpoints(run_folder: Path) -> list[Path]:
    """Return the checkpoint folders of a run, oldest first; one still being written has another name."""
    found = [
        (place, path)
        for path in (run_folder / places.CHECKPOINTS).glob("step-*")
        if (place := place_of(path.name)) and path.is_dir()
    ]
    return [path for _, path in sorted(found)]

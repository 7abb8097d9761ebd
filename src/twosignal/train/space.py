"""Will the checkpoints fit? Takes a setup and where its run will be, says how large they get, or refuses before step one."""

from collections.abc import Callable
from pathlib import Path

from transformers import PreTrainedModel

from twosignal.config import Config
from twosignal.errors import StorageError
from twosignal.records.retention import Retention
from twosignal.records.room import free_bytes
from twosignal.train.setup import Setup

MOMENTS = 2
"""Numbers that the optimizer keeps of every weight it moves, at most."""
BESIDE_BYTES = 1 << 20
"""Tokenizer, configuration, random state and the rest of the state; about."""


def retention_of(config: Config) -> Retention:
    """Return what the run file says of keeping checkpoints."""
    table = config.checkpoints
    return Retention(keep=table.keep, every=table.every or config.samples.every, ladder=table.ladder)


def check_space(setup: Setup, place: Path, *, say: Callable[[str], None]) -> None:
    """Say how large the checkpoints of a run get; raise StorageError when they cannot fit on the disk.

    `place` is the run folder, or the folder it will be made in; checkpoints that lie there already are counted as room.
    """
    each = checkpoint_bytes(setup.learner.model)
    most = retention_of(setup.config).most(setup.steps)
    free, needed = free_bytes(place) + held_bytes(place), each * most
    if needed > free:
        message = "the checkpoints of this run do not fit on the disk"
        raise StorageError(
            message,
            where=str(place),
            found=f"{in_words(free)} free",
            expected=f"{most} of about {in_words(each)} each, {in_words(needed)}",
            remedy="Free some space, choose another disk with --runs, or keep fewer: checkpoints.keep, "
            "checkpoints.ladder = false, a larger checkpoints.every.",
        )
    say(
        f"checkpoints: about {in_words(each)} each, at most {most} kept and one for each verdict that changes anything, "
        f"{in_words(needed)}; {in_words(free)} free"
    )


def checkpoint_bytes(model: PreTrainedModel) -> int:
    """Return about how large a checkpoint of a model is: its weights, their moments, and what lies beside."""
    weights: dict[int, int] = {one.data_ptr(): one.nbytes for one in (*model.parameters(), *model.buffers())}
    moved: dict[int, int] = {one.data_ptr(): one.nbytes for one in model.parameters() if one.requires_grad}
    return sum(weights.values()) + MOMENTS * sum(moved.values()) + BESIDE_BYTES


def held_bytes(place: Path) -> int:
    """Return the bytes of the checkpoints that lie in a run folder."""
    return sum(path.stat().st_size for path in place.glob("checkpoints/step-*/*") if path.is_file())


def in_words(num_bytes: int) -> str:
    """Return a number of bytes for people, in units of 1,000."""
    size = float(num_bytes)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit in ("bytes", "kB") else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"

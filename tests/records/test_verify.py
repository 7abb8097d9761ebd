"""Tests of verification: takes runs with one byte, line, row or file changed, gives the place; whole runs give none."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from twosignal.records.events import Event
from twosignal.records.reader import Run
from twosignal.records.storage import file_hash
from twosignal.records.verify import Fault, verify
from twosignal.records.writer import RunWriter

from .toy_trainer import train


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with a receipt, and checkpoints that name their place and their files."""
    path = train(tmp_path_factory.mktemp("whole"))
    with RunWriter.reopen(path) as writer:
        writer.append(Event(kind="prove", step=10, body={"passed": True, "checks": [], "targets": 20}))
    (path / "receipt.json").write_text(json.dumps({"passed": True, "targets": 20, "seconds": 0.5}))
    for checkpoint in Run(path=path).checkpoints():
        (checkpoint / "model.bin").write_bytes(b"weights")
        state = json.loads((checkpoint / "state.json").read_text())
        files = {"model.bin": file_hash(checkpoint / "model.bin")}
        (checkpoint / "state.json").write_text(json.dumps({**state, "files": files}))
    return path


@pytest.fixture
def path(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "run")


def faults(path: Path) -> list[Fault]:
    return verify(Run(path=path)).faults


def first(path: Path) -> tuple[str, str]:
    """The place of the first fault within the run, and what is wrong."""
    fault = faults(path)[0]
    assert fault.remedy
    return fault.where.removeprefix(f"{path}/"), fault.message


def change(name: str, edit: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        (path / name).write_bytes(edit((path / name).read_bytes()))

    return apply


def lines(edit: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path], None]:
    return change("events.jsonl", lambda data: b"".join(edit(data.splitlines(keepends=True))))


def rows(edit: Callable[[list[bytes]], list[bytes]]) -> Callable[[Path], None]:
    size = 12 + 6 * 8

    def edited(data: bytes) -> bytes:
        begin = data.index(b"\n") + 1
        found = [data[at : at + size] for at in range(begin, len(data), size)]
        return data[:begin] + b"".join(edit(found))

    return change("steps/learning.bin", edited)


def test_a_whole_run_has_no_fault(path: Path) -> None:
    found = verify(Run(path=path))
    assert (found.faults, found.notes, found.rows, found.checkpoints) == ([], [], 10, 2)
    assert found.events == 1 + 5 + 2 + 1 + 1


@pytest.mark.parametrize(
    ("spoil", "where", "message"),
    [
        (
            lines(lambda all_: [*all_[:3], all_[3].replace(b"word", b"work"), *all_[4:]]),
            "events.jsonl:4",
            "hash",
        ),
        (lines(lambda all_: [*all_[:3], *all_[4:]]), "events.jsonl:4", "lost or moved"),
        (lines(lambda all_: [*all_[:3], all_[4], all_[3], *all_[5:]]), "events.jsonl:4", "lost or moved"),
        (lines(lambda all_: all_[:5]), "events.jsonl", "lines are missing at the end: step-00000008"),
        (change("events.jsonl", lambda _: b"hello\n"), "events.jsonl:1", "not the record of a run"),
        (lines(lambda all_: [*all_[:3], b"{}\n", *all_[4:]]), "events.jsonl:4", "hash"),
        (rows(lambda all_: all_[:7]), "steps/learning.bin", "rows are missing or moved: step-00000008"),
        (rows(lambda all_: [*all_[:3], *all_[4:]]), "steps/learning.bin", "rows are missing or moved"),
        (rows(lambda all_: [all_[1], all_[0], *all_[2:]]), "steps/learning.bin, row 2", "does not follow"),
        (change("steps/clock.bin", lambda _: b"\0"), "steps/clock.bin", "cannot be read"),
        (
            change("receipt.json", lambda data: data.replace(b"20", b"21")),
            "receipt.json",
            "targets is 21, and",
        ),
        (change("receipt.json", lambda _: b"{"), "receipt.json", "cannot be read"),
    ],
)
def test_every_change_has_its_place(
    path: Path, spoil: Callable[[Path], None], where: str, message: str
) -> None:
    spoil(path)
    found = first(path)
    assert found[0] == where
    assert message in found[1]


def test_every_changed_byte_of_a_chained_line_is_found(path: Path) -> None:
    data = (path / "events.jsonl").read_bytes()
    begin = data.index(b"\n") + 1
    for at in range(begin, begin + 200, 7):
        changed = bytes([data[at] ^ 1])
        (path / "events.jsonl").write_bytes(data[:at] + changed + data[at + 1 :])
        is_clock = b'"clock":' in data[begin:at].rsplit(b"\n", 1)[-1]
        assert faults(path) or is_clock, f"byte {at}"


def test_files_of_checkpoints_that_were_changed_or_lost_are_named(path: Path) -> None:
    older, newer = Run(path=path).checkpoints()
    (older / "model.bin").write_bytes(b"weight")
    (newer / "model.bin").unlink()
    changed, missing = faults(path)
    assert (changed.where, missing.where) == (str(older / "model.bin"), str(newer / "model.bin"))
    assert "changed after it was saved" in changed.message
    assert "delete this folder to go on from the checkpoint before it" in missing.remedy
    assert len(verify(Run(path=path), checkpoints=False).faults) == 1
    (older / "state.json").write_text("{")
    assert faults(path)[0].where == str(older / "state.json")


def test_what_was_in_flight_is_a_note_and_no_fault(path: Path) -> None:
    for name in ("events.jsonl", "steps/learning.bin"):
        with (path / name).open("ab") as file:
            file.write(b'{"ki')
    found = verify(Run(path=path))
    assert found.faults == []
    assert ["4 bytes of a row in flight" in found.notes[0], "4 bytes of a line" in found.notes[1]] == [
        True,
        True,
    ]


def test_rows_that_no_fork_tells_of_are_a_fault(path: Path) -> None:
    with RunWriter.reopen(path) as writer:
        cursor = json.loads((path / "checkpoints/step-00000008/state.json").read_text())["records"]
        writer.rewind(cursor, replay=False)
        row = dict.fromkeys(["loss_sum", "targets", "bytes"], 1)
        row |= dict.fromkeys(["loss_sum[books]", "targets[books]", "tokens[books]"], 1)
        speed = {"seconds": 0.1, "tokens_per_second": 1.0, "targets_per_second": 1.0, "memory_bytes": 5}
        writer.step_row(9, row, clock=speed)
    assert faults(path) == []
    lines(lambda all_: [line for line in all_ if not line.startswith(b'{"fork"')])(path)
    assert "rows of attempt 1, but events.jsonl tells of 0 returns" in faults(path)[0].message

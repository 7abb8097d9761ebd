"""Tests of reading: takes whole, torn, damaged and forked folders, gives what is there or says where it is not."""

import json
from pathlib import Path

import pytest

from twosignal.errors import RunError
from twosignal.records.events import Event
from twosignal.records.reader import Run, open_run
from twosignal.records.writer import RunWriter

from .toy_trainer import COLUMNS, NOW, train


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(path=train(tmp_path))


@pytest.fixture
def lines(run: Run) -> list[str]:
    path = run.path / "events.jsonl"
    return path.read_text().splitlines(keepends=True)


def write(run: Run, lines: list[str]) -> None:
    (run.path / "events.jsonl").write_text("".join(lines))


def test_a_run_gives_its_events_steps_and_configuration(run: Run) -> None:
    assert run.config == {"run": {"name": "toy"}}
    kinds = [event.kind for event in run.events()]
    assert kinds.count("sample") == 5
    assert (kinds[0], kinds[-1]) == ("start", "end")
    assert [event.step for event in run.samples()] == [2, 4, 6, 8, 10]
    assert [path.name for path in run.checkpoints()] == ["step-00000004", "step-00000008"]
    assert run.steps()["step"].tolist() == list(range(1, 11))
    assert (run.last_step, run.state, run.verify_chain()) == (10, "finished", None)


def test_probes_and_verdicts_are_found_by_kind(tmp_path: Path) -> None:
    with RunWriter.create(tmp_path, "toy", run_toml="", columns=COLUMNS, now=NOW) as writer:
        writer.append(Event(kind="probe", step=1, body={"loss": 3.5, "by_source": {}}))
        writer.append(Event(kind="verdict", step=1, body={"verdict": "continue", "reason": "fine"}))
    run = Run(path=writer.path)
    assert [event.number("loss") for event in run.probes()] == [3.5]
    assert [event.text("verdict") for event in run.verdicts()] == ["continue"]
    assert run.last_step == 0


def test_equal_runs_have_one_fingerprint(tmp_path: Path) -> None:
    same = [Run(path=train(tmp_path / name)).fingerprint for name in ("a", "b")]
    other = Run(path=train(tmp_path / "c", seed=2)).fingerprint
    assert same[0] == same[1] != other


def test_a_torn_last_line_is_not_there_yet(run: Run, lines: list[str]) -> None:
    write(run, [*lines[:-1], lines[-1][:-1]])
    assert [event.kind for event in run.events()][-1] != "end"
    assert run.verify_chain() is None


def test_a_damaged_line_is_named_by_file_and_line(run: Run, lines: list[str]) -> None:
    write(run, [*lines[:2], lines[2][:40] + "\n", *lines[3:]])
    with pytest.raises(RunError, match=r"events\.jsonl:3: this line of the record is damaged"):
        list(run.events())
    assert run.verify_chain() == 3
    write(run, [*lines[:2], "hello\n", *lines[3:]])
    with pytest.raises(RunError, match=r"events\.jsonl:3: .*hello"):
        run.probes()
    write(run, [*lines[:2], "[1]\n", *lines[3:]])
    assert run.verify_chain() == 3
    write(run, [*lines[:2], '{"kind":"party","step":1,"attempt":0}\n', *lines[3:]])
    with pytest.raises(RunError, match=r"events\.jsonl:3: .*kind 'party'"):
        list(run.events())
    with pytest.raises(RunError, match=r"events\.jsonl:3: .*no hash at the end"):
        RunWriter.reopen(run.path)


def test_a_changed_number_and_a_lost_line_break_the_chain(run: Run, lines: list[str]) -> None:
    record = json.loads(lines[4])
    write(run, [*lines[:4], json.dumps({**record, "step": 99}) + "\n", *lines[5:]])
    assert run.verify_chain() == 5
    write(run, [*lines[:4], *lines[5:]])
    assert run.verify_chain() == 5
    write(run, [*lines[:4], json.dumps({**record, "clock": {"time": 1.0}}) + "\n", *lines[5:]])
    assert run.verify_chain() is None


def test_a_broken_fork_line_is_named(run: Run, lines: list[str]) -> None:
    fork = '{"fork":2,"parent":0,"step":3,"events":1,"steps":2,"hash":"' + "0" * 32 + '"}\n'
    write(run, [*lines, fork])
    with pytest.raises(RunError, match=r"events\.jsonl:\d+: .*a fork that does not fit"):
        list(run.events())


def test_a_record_of_a_later_format_is_refused(run: Run, lines: list[str]) -> None:
    write(run, ['{"twosignal":"records","version":2}\n', *lines[1:]])
    with pytest.raises(RunError, match=r"found version 2; expected version 1"):
        list(run.events())


def test_missing_files_are_named(run: Run) -> None:
    (run.path / "run.toml").unlink()
    with pytest.raises(RunError, match=r"run\.toml: the run's configuration cannot be read"):
        _ = run.config
    (run.path / "events.jsonl").unlink()
    with pytest.raises(RunError, match=r"events\.jsonl: the events of the run cannot be read"):
        list(run.events())


def test_a_run_without_a_living_process_is_stopped_unless_it_ended(run: Run, lines: list[str]) -> None:
    beat = {"run": run.id, "step": 3, "state": "running", "time": 0.0, "gate_step": None}
    states: list[str] = []
    for content in (beat, {**beat, "state": "interrupted"}, {**beat, "time": 1e12}):
        for kept in (lines, lines[:-1]):
            write(run, kept)
            (run.path / "heartbeat.json").write_text(json.dumps(content))
            states.append(run.state)
    assert states == ["finished", "stopped", "interrupted", "interrupted", "running", "running"]
    (run.path / "heartbeat.json").unlink()
    assert run.state == "stopped"


def test_an_unfinished_checkpoint_is_not_listed(run: Run) -> None:
    (run.path / "checkpoints" / ".step-00000009.partial").mkdir()
    (run.path / "checkpoints" / "step-best").mkdir()
    (run.path / "checkpoints" / "step-100000000").mkdir()
    names = [path.name for path in run.checkpoints()]
    assert names == ["step-00000004", "step-00000008", "step-100000000"]


def test_a_run_is_opened_by_folder_id_or_beginning(run: Run) -> None:
    runs_dir = run.path.parent
    for name in (run.path, str(run.path), run.id, run.id[:-3], "toy"):
        assert open_run(name, runs_dir) == run


def test_runs_are_looked_for_in_runs_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = train(tmp_path / "runs")
    assert open_run("toy") == Run(path=path)
    assert open_run(Path("runs") / path.name).id == path.name


def test_an_unknown_or_ambiguous_run_is_answered_with_names(run: Run) -> None:
    runs_dir = run.path.parent
    with pytest.raises(RunError, match=f"there is no run tyo-2026.* The nearest are {run.id}"):
        open_run("tyo-20260102-030405-abc123", runs_dir)
    with pytest.raises(RunError, match="there is no run toy"):
        open_run("toy", runs_dir / "absent")
    second = RunWriter.create(runs_dir, "toy", run_toml="", columns=COLUMNS, now=NOW)
    second.close()
    with pytest.raises(RunError, match=f"the beginning of several runs .*{second.path.name}"):
        open_run("toy", runs_dir)

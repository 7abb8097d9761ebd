"""Every mistake of a user ends in one sentence with its place and what to do, and leaves no run folder behind."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Command, refused, train
from tests.end_to_end.toy import BOOKS, SHORT, Toy, chat, settings, the_run, visible
from twosignal.records.lock import FolderLock

Spoil = Callable[[Path], object]


def replace(old: str, new: str) -> Spoil:
    """Return what writes something else into the run file."""

    def spoil(run_file: Path) -> None:
        text = run_file.read_text()
        assert old in text
        run_file.write_text(text.replace(old, new))

    return spoil


def model_from(source: str) -> Spoil:
    """Return what makes the run file fine-tune a model."""
    return replace('preset = "tiny"', f'from = "{source}"')


def put_a_folder_there(run_file: Path) -> None:
    """Put a folder in the run file's place."""
    run_file.unlink()
    run_file.mkdir()


def model_from_an_empty_folder(run_file: Path) -> None:
    """Let the run file name a folder with nothing in it."""
    model_from("empty")(run_file)
    (run_file.parent / "empty").mkdir()


def spoil_lines(run_file: Path, num_bad: int) -> None:
    """Cut some lines of the dialogues in two."""
    data = run_file.parent / "chat.jsonl"
    lines = data.read_text().splitlines()
    for number in range(5, 5 + num_bad):
        lines[number] = lines[number][:30]
    data.write_text("\n".join(lines) + "\n")


RUN_FILES: dict[str, tuple[Spoil, list[str]]] = {
    "missing": (
        lambda f: f.rename(f.with_name("runs.toml")),
        ["run.toml: there is no such run file", "Did you mean runs.toml?"],
    ),
    "a directory": (
        put_a_folder_there,
        ["run.toml: the run file cannot be read (found Is a directory)", "Give the path of a TOML file"],
    ),
    "not UTF-8": (
        lambda f: f.write_bytes(b'[run]\nname = "\xff"\n'),
        ["run.toml: the run file cannot be read", "0xff in position 14", "in UTF-8"],
    ),
    "not TOML": (replace("steps = 40", "steps = fourty"), ["not valid TOML", "at line 3", "Mend this line"]),
    "unknown key": (
        replace("steps = 40", "stpes = 40"),
        ["run.toml:3: unknown key 'stpes' in [run]. Did you mean steps?"],
    ),
    "a source named like a path": (
        replace("[sources.chat]", '[sources."../chat"]'),
        ["sources.../chat has a wrong value", "letters, digits, dot, dash and underscore"],
    ),
    "a source named like markup": (
        replace("[sources.chat]", '[sources."[/chat]"]'),
        ["'[/chat]'; expected a name"],
    ),
    "unknown preset": (
        replace('"tiny"', '"tinny"'),
        ['model.preset: there is no preset "tinny"', "expected tiny, andrea-12m", 'Did you mean "tiny"?'],
    ),
    "no model folder": (
        model_from("./nowhere"),
        [
            "./nowhere: there is no such folder",
            "expected a folder with config.json, a run folder, or a hub id",
        ],
    ),
    "an empty model folder": (
        model_from_an_empty_folder,
        ["empty: there is no config.json in the folder", "expected a model saved by transformers"],
    ),
    "a file for a model": (
        model_from("chat.jsonl"),
        ["chat.jsonl: this is a file, not a folder", "expected a folder"],
    ),
    "no data file": (
        lambda f: (f.parent / "chat.jsonl").rename(f.parent / "chats.jsonl"),
        [
            'chat.jsonl: source "chat": no such file',
            "chats.jsonl",
            "Correct sources.chat.path; relative paths begin at",
        ],
    ),
    "empty dialogues": (
        lambda f: (f.parent / "chat.jsonl").write_text(""),
        ['chat.jsonl: source "chat": there is no record in it', "Fill it, or correct sources.chat.path."],
    ),
    "empty text": (
        lambda f: (f.parent / "books.txt").write_text("\n \n"),
        ['books.txt: source "books": there is no record in it', "Fill it"],
    ),
    "many malformed lines": (
        lambda f: spoil_lines(f, 2),
        [
            'chat.jsonl:6: source "chat": 2 of 160 records are malformed',
            "max_bad = 0.01",
            "or raise sources.chat.max_bad",
        ],
    ),
}


@pytest.mark.parametrize(("spoil", "words"), RUN_FILES.values(), ids=RUN_FILES.keys())
def test_a_mistake_in_run_file_or_data_is_one_sentence(
    run_file: Path, command: Command, spoil: Spoil, words: list[str]
) -> None:
    spoil(run_file)
    sentence = refused(train(command, run_file), run_file.parent / "runs")
    for word in words:
        assert word in sentence


SETTINGS: dict[str, str] = {
    "run.stpes=3": "--set run.stpes=3: unknown key 'stpes' in [run]. Did you mean steps?",
    "steps": "--set steps: a setting must look like table.key=value (expected for example --set run.steps=500).",
    "run.steps=0": "--set run.steps=0: run.steps has a wrong value (found 0; expected greater than or equal to 1).",
    "run.steps=many": "run.steps has a wrong value (found 'many'; expected a valid integer",
    "run.steps.x=1": "--set run.steps.x=1: steps is a value, not a table",
    "train.device=cuda": 'train.device: there is no CUDA device on this machine (found cuda). Write "auto"',
    "train.device=cpuu": "train.device: unknown device (found cpuu; expected cpu, cuda, or auto).",
    "model.context=32": "[rows]: rows are longer than the model's context (found tokens = 64; expected at most 32). "
    "Lower rows.tokens, or raise model.context.",
    "sources.chat.floor=2": "sources.chat.floor has a wrong value (found 2; expected less than or equal to 1)",
    "curriculum.policy=fixed": '[curriculum]: policy "fixed" needs a weight above 0',
}


@pytest.mark.parametrize(("setting", "words"), SETTINGS.items(), ids=SETTINGS.keys())
def test_a_mistaken_setting_is_one_sentence(
    run_file: Path, command: Command, monkeypatch: pytest.MonkeyPatch, setting: str, words: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    ended = train(command, run_file, "--set", setting)
    assert words in refused(ended, run_file.parent / "runs")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "twosignal: the following arguments are required: COMMAND. See twosignal --help"),
        (["trian"], "invalid choice: 'trian'"),
        (["train"], "the following arguments are required: CONFIG. See twosignal train --help"),
        (["train", "run.toml", "--set"], "argument --set: expected one argument"),
        (["show", "run.toml", "-n", "0"], "argument -n: found '0', expected a whole number from 1 on"),
        (
            ["sample", "x", "--temperature", "nan"],
            "argument --temperature: found 'nan', expected a number from 0 on",
        ),
        (["sample", "x", "--seed", "-1"], "argument --seed: found '-1'"),
        (["audit", "x", "--steps", "5"], "there is no run x"),
        (["prove", "x", "--set", "a.b=1"], "--set a.b=1: a run's own proof is repeated with the settings"),
    ],
)
def test_a_mistaken_command_line_is_one_sentence(command: Command, arguments: list[str], words: str) -> None:
    ended = command(*arguments)
    assert ended.code == 2
    assert words in ended.sentence


def test_a_few_malformed_lines_are_skipped_and_told(run_file: Path, command: Command) -> None:
    spoil_lines(run_file, 1)
    ended = train(command, run_file, *SHORT)
    assert (ended.code, ended.err) == (0, "")
    assert "chat: 1 malformed records were skipped, first chat.jsonl:6" in ended.out
    receipt = json.loads((the_run(run_file.parent / "runs") / "receipt.json").read_text())
    assert [source["bad"] for source in receipt["sources"]] == [1, 0]


@pytest.mark.parametrize("is_alone", [False, True])
def test_dialogues_without_an_answer_are_refused_by_the_proof(
    run_file: Path, command: Command, *, is_alone: bool
) -> None:
    data = run_file.parent / "chat.jsonl"
    data.write_text(data.read_text().replace('"assistant"', '"user"'))
    if is_alone:
        replace(BOOKS, "")(run_file)
    sentence = refused(train(command, run_file), run_file.parent / "runs", code=4)
    assert "the proof refuses to start: S4" in sentence
    assert "(no-targets): source chat: not one of its 160 records has a turn to learn" in sentence
    assert 'Check the roles of the messages, or set supervise = "all" for this source.' in sentence


def test_rows_shorter_than_every_dialogue_are_refused_by_the_proof(run_file: Path, command: Command) -> None:
    ended = train(command, run_file, *settings(rows__tokens=16))
    sentence = refused(ended, run_file.parent / "runs", code=4)
    assert "(lost-data): source chat: " in sentence
    assert "(100.0%) would be lost" in sentence
    assert "Raise rows.tokens, or choose rows.too_long" in sentence


@pytest.mark.parametrize("name", ["prove", "train"])
def test_a_refusal_is_also_told_as_json(run_file: Path, command: Command, name: str) -> None:
    ended = command(name, run_file, "--json", "--runs", run_file.parent / "runs", *settings(rows__tokens=16))
    assert ended.code == 4
    assert [line for line in ended.err.splitlines() if line.startswith("twosignal: ")][-1:]
    if name == "prove":
        receipt = json.loads(ended.out)
        assert receipt["passed"] is False
        assert [check["kind"] for check in receipt["checks"] if check["passed"] is False] == ["lost-data"]


def test_runs_cannot_be_kept_under_a_file(run_file: Path, command: Command) -> None:
    for place in (run_file, run_file / "runs"):
        ended = command("train", run_file, "--runs", place)
        assert ended.code == 2
        assert f"{place}" in ended.sentence
        assert "cannot write: Not a directory" in ended.sentence
        assert "choose another with --runs" in ended.sentence


@pytest.mark.parametrize(
    "arguments",
    [["audit", "zzz"], ["compare", "zzz", "yyy"], ["sample", "zzz"], ["chat", "zzz"], ["prove", "zzz"]],
)
def test_an_unknown_run_is_one_sentence(toy: Toy, command: Command, arguments: list[str]) -> None:
    ended = command(*arguments, "--runs", toy.runs_dir)
    assert ended.code == 2
    assert f"{toy.runs_dir}: there is no run zzz" in ended.sentence
    assert "List the runs with: twosignal runs FOLDER." in ended.sentence


def test_a_run_nearly_named_is_suggested(toy: Toy, command: Command) -> None:
    ended = command("audit", f"x{toy.id}", "--runs", toy.runs_dir)
    assert f"The nearest are {toy.id}." in ended.sentence


def test_an_unknown_runs_folder_is_one_sentence(tmp_path: Path, command: Command) -> None:
    for place in (tmp_path / "none", Path(__file__)):
        ended = command("runs", place)
        assert ended.code == 2
        assert f"{place}: there is no such folder. Give the folder that holds the runs." in ended.sentence


@pytest.fixture
def copied(toy: Toy, tmp_path: Path) -> Path:
    """A copy of the toy run that may be damaged."""
    return shutil.copytree(toy.path, tmp_path / "runs" / toy.id)


def damage(copied: Path) -> int:
    """Tear a sample out of the midst of the record; return its line."""
    events = copied / "events.jsonl"
    lines = events.read_bytes().splitlines(keepends=True)
    number = next(number for number, line in enumerate(lines) if b'"kind":"sample"' in line)
    lines[number] = lines[number][: len(lines[number]) // 2] + b"\n"
    events.write_bytes(b"".join(lines))
    return number + 1


@pytest.mark.parametrize("name", ["audit", "compare", "sample"])
def test_a_damaged_record_is_one_sentence(copied: Path, command: Command, name: str) -> None:
    line = damage(copied)
    ended = command(name, copied, *([copied] if name == "compare" else []))
    assert ended.code == 2
    assert f"{copied}/events.jsonl:{line}: this line of the record is damaged" in ended.sentence
    assert "Restore the file from a copy" in ended.sentence


def test_a_damaged_run_is_listed_as_such(copied: Path, command: Command) -> None:
    (copied / "events.jsonl").write_text("nonsense\n")
    ended = command("runs", copied.parent, "--json")
    assert ended.code == 0
    assert [run["state"] for run in json.loads(ended.out)["runs"]] == ["damaged"]


@pytest.mark.parametrize("name", ["events.jsonl", "steps/learning.bin", "run.toml"])
def test_a_lost_file_is_one_sentence(copied: Path, command: Command, name: str) -> None:
    (copied / name).unlink()
    ended = command("audit", copied)
    assert ended.code == 2
    assert str(copied) in ended.sentence


def test_what_a_killed_process_of_the_same_number_left_is_no_obstacle(
    run_file: Path, command: Command
) -> None:
    cache = run_file.parent / "runs" / ".cache"
    assert train(command, run_file, *SHORT).code == 0
    kept = sorted(cache.iterdir())
    for folder in kept:
        folder.rename(cache / f".{folder.name}.{os.getpid()}")
    assert train(command, run_file, *SHORT).code == 0
    assert sorted(cache.iterdir()) == kept


def test_a_run_folder_half_made_by_a_killed_process_is_cleared_away(run_file: Path, command: Command) -> None:
    runs_dir = run_file.parent / "runs"
    left, held, foreign = (
        runs_dir / name
        for name in (".toy-20260101-000000-abcdef.partial", ".b-20260101-000000-abcdef.partial", ".c.partial")
    )
    for folder in (left, held, foreign):
        (folder / "steps").mkdir(parents=True)
    lock = FolderLock(held)
    assert train(command, run_file, *SHORT).code == 0
    lock.release()
    found = visible(runs_dir)
    assert found[:2] == [held.name, foreign.name]
    assert len(found) == 3


def test_a_fault_of_ours_is_one_sentence_with_a_report(
    run_file: Path, command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def break_down(*_: object, **__: object) -> None:
        message = "two\nlines"
        raise RuntimeError(message)

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("twosignal.commands.train.build", break_down)
    ended = train(command, run_file)
    assert ended.code == 1
    report = Path(ended.sentence.split("The report is in ")[1].split(";")[0])
    assert "Traceback (most recent call last)" in report.read_text()


def test_prompts_and_texts_that_look_like_markup_are_shown_as_they_are(
    run_file: Path, command: Command
) -> None:
    data = run_file.parent / "chat.jsonl"
    with data.open("a") as file:
        file.write(json.dumps({"messages": [{"role": "[/bold]", "content": "x"}]}) + "\n")
        file.write(json.dumps({"messages": chat("[/red] hello", "[/] you")}) + "\n")
    ended = train(command, run_file, *SHORT, *settings(samples__prompts=["[/bold] once"], samples__every=1))
    assert ended.code == 0, ended.err
    assert 'the role "[/bold]" in message 1' in " ".join(ended.out.split())
    assert "[/bold] once" in ended.out

"""A tiny corpus and its run file: takes a folder, gives files that a command trains on in seconds and a test may spoil."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.end_to_end import processes

NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus", "Hana")
THINGS = ("apples", "pears", "plums", "nuts", "figs")
VERBS = ("saw", "ate", "sold", "took")
PLACES = ("river", "road", "gate")

CHAT = """\
[sources.chat]
path = "chat.jsonl"
held_out = 0.1

"""
BOOKS = """\
[sources.books]
path = "books.txt"
documents = "paragraphs"
held_out = 0.1

"""
RUN_FILE = f"""\
[run]
name = "toy"
steps = 40

[model]
preset = "tiny"

[tokenizer]
vocab = 300

{CHAT}{BOOKS}[rows]
tokens = 64
per_step = 4

[train]
threads = 1
device = "cpu"

[probes]
every = 10
rows = 2

[samples]
every = 10
tokens = 24
panel = 2

[checkpoints]
every = 10
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toy:
    """A run that came to its end undisturbed; tests read it and never change it."""

    run_file: Path
    runs_dir: Path
    path: Path
    """The run folder."""
    out: str
    """What the training printed."""

    @property
    def id(self) -> str:
        """Name of the run folder."""
        return self.path.name


@cache
def trained_toy(base: Path) -> Toy:
    """Train the toy run under `base`, once per test session."""
    run_file = write_toy(base / "toy")
    runs_dir = base / "toy" / "runs"
    ended = processes.run(
        ["train", run_file, "--runs", runs_dir, "--json"], folder=base, log=base / "toy" / "log"
    )
    assert ended.code == 0, ended.err
    return Toy(run_file=run_file, runs_dir=runs_dir, path=the_run(runs_dir), out=ended.out)


def write_toy(folder: Path) -> Path:
    """Write chat.jsonl, books.txt and run.toml; return the run file."""
    folder.mkdir(parents=True, exist_ok=True)
    write_chat(folder / "chat.jsonl", num_chats=160)
    write_books(folder / "books.txt", num_paragraphs=40)
    run_file = folder / "run.toml"
    run_file.write_text(RUN_FILE)
    return run_file


def write_chat(path: Path, *, num_chats: int) -> None:
    """Write sums in words, one question and one answer each."""
    draw = random.Random(1)
    with path.open("w") as file:
        for _ in range(num_chats):
            name, thing, a, b = (
                draw.choice(NAMES),
                draw.choice(THINGS),
                draw.randint(2, 8),
                draw.randint(2, 8),
            )
            question = f"{name} has {a} {thing} and buys {b}. How many?"
            answer = f"{name} has {a + b} {thing} now."
            file.write(json.dumps({"messages": chat(question, answer)}) + "\n")


def chat(*turns: str) -> list[dict[str, str]]:
    """Return messages of user and assistant in turn."""
    return [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(turns)]


def write_books(path: Path, *, num_paragraphs: int) -> None:
    """Write paragraphs of twelve sentences."""
    draw = random.Random(2)
    with path.open("w") as file:
        for _ in range(num_paragraphs):
            file.write(" ".join(_sentence(draw) for _ in range(12)) + "\n\n")


def _sentence(draw: random.Random) -> str:
    count = draw.choice(("two", "three", "many"))
    start = f"{draw.choice(NAMES)} {draw.choice(VERBS)} {count} {draw.choice(THINGS)}"
    return f"{start} by the {draw.choice(PLACES)}."


def settings(**values: object) -> list[str]:
    """Return `--set` options: run__steps=3 becomes --set run.steps=3."""
    pairs = [f"{name.replace('__', '.')}={json.dumps(value)}" for name, value in values.items()]
    return [part for pair in pairs for part in ("--set", pair)]


SHORT = settings(run__steps=2, samples__tokens=2, probes__rows=1, samples__panel=1)
"""Options that end a run at once."""


def the_run(runs_dir: Path) -> Path:
    """Return the one run folder in `runs_dir`."""
    found = visible(runs_dir)
    assert len(found) == 1, found
    return runs_dir / found[0]


def visible(runs_dir: Path) -> Sequence[str]:
    """Return what a runs folder holds beside its cache, hidden leftovers included."""
    if not runs_dir.is_dir():
        return []
    return sorted(path.name for path in runs_dir.iterdir() if path.name != ".cache")

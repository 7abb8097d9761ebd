"""Are its answers right: takes a run trained on built-in chats, asks held-out questions, gives how many it answers rightly."""

from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from rich.table import Table

from twosignal.commands.speak import Speaker, speaker
from twosignal.config import Config
from twosignal.records.reader import Run
from twosignal.text.builtin import BUILTIN, Builtin
from twosignal.text.conversation import Conversation, Message
from twosignal.text.corpus import SourceReader
from twosignal.train.run import run_config

QUESTIONS = 40
"""Held-out questions asked of each kind."""
ANSWER_TOKENS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """How one kind of question went."""

    source: str
    asked: int
    right: int
    question: str
    """One of the questions, as an example."""
    answer: str
    """What the model said to it."""


def quiz(run: Run) -> list[Marks]:
    """Ask the newest checkpoint the questions whose answers can be checked; nothing it was trained on."""
    config, folder = run_config(run)
    loaded = speaker(run)
    marks = []
    for name, table in config.sources.items():
        builtin = BUILTIN.get(str(table.path).removeprefix("builtin:"))
        if builtin is not None and builtin.is_right is not None:
            marks.append(_ask(loaded, builtin, name=name, chats=held_out_chats(config, name, folder)))
    return [mark for mark in marks if mark.asked]


def held_out_chats(config: Config, name: str, folder: Path) -> list[Conversation]:
    """Return the first held-out conversations of a source."""
    reader = SourceReader(name, config.sources[name], folder=folder)
    kept = (r.record for r in reader if r.held_out and isinstance(r.record, Conversation))
    return list(islice(kept, QUESTIONS))


def marks_table(marks: list[Marks]) -> Table:
    """Return the marks as a table with one example of each kind."""
    table = Table(title="Right answers to held-out questions", title_justify="left", box=None, pad_edge=False)
    table.add_column("source")
    table.add_column("right", justify="right")
    table.add_column("for example", overflow="fold")
    for mark in marks:
        table.add_row(
            mark.source, f"{mark.right} of {mark.asked}", f"{mark.question}\n[green]{mark.answer}[/]"
        )
    return table


def _ask(loaded: Speaker, builtin: Builtin, *, name: str, chats: list[Conversation]) -> Marks:
    prompts = [loaded.prompt(chat.messages[:-1]) for chat in chats]
    answers = loaded.speak(prompts, tokens=ANSWER_TOKENS, temperature=0.0, seed=0)
    right = [_is_right(builtin, chat, answer) for chat, answer in zip(chats, answers, strict=True)]
    return Marks(
        source=name,
        asked=len(chats),
        right=sum(right),
        question=chats[0].messages[-2].content if chats else "",
        answer=answers[0] if answers else "",
    )


def _is_right(builtin: Builtin, chat: Conversation, answer: str) -> bool:
    assert builtin.is_right is not None
    said = Message(role="assistant", content=answer)
    return builtin.is_right(replace(chat, messages=(*chat.messages[:-1], said)))

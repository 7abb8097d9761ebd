"""Source sets of the curriculum's benchmark: takes a name and perhaps a folder, gives rows to learn and to judge by."""

import json
import random
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twosignal.curriculum.policy import Arm
from twosignal.text.builtin import BUILTIN
from twosignal.text.conversation import Conversation

CONTEXT = 128
"""Bytes of a row."""
MOST_BYTES = 1_200_000
"""Of a source."""
HELD_OUT = 8
"""Every so manieth document is held out."""
JUDGED_ROWS = 120
"""Of each target."""

Rows = NDArray[np.int64]
Set = tuple[tuple[str, ...], tuple[str, ...]]

GOOD = ("chat", "moby-dick", "devils-dictionary", "code")
SETS: Mapping[str, Set] = {
    "junk": ((*GOOD, "listing", "repetition", "noise", "scrap"), GOOD),
    "useful": (
        (
            "moby-dick",
            "sherlock-holmes",
            "news-from-nowhere",
            "little-colonels-hero",
            "american-adventures",
            "devils-dictionary",
            "rogets-thesaurus",
            "code",
        ),
        ("sherlock-holmes", "little-colonels-hero"),
    ),
    "equal": ((*GOOD, "docs", "shakespeare"), (*GOOD, "docs", "shakespeare")),
    "rare": (("few-of-sherlock-holmes", *GOOD, "listing", "noise"), ("sherlock-holmes",)),
    "elsewhere": (
        (
            "chat",
            "moby-dick",
            "news-from-nowhere",
            "american-adventures",
            "rogets-thesaurus",
            "code",
            "shuffled-sherlock-holmes",
            "noise",
        ),
        ("sherlock-holmes",),
    ),
}
"""Sources and targets. junk: half is worthless, one source tiny; useful: all prose helps, some more; equal: no junk, all
wanted; rare: 40 KB of what is wanted; elsewhere: the target is a book that no source holds, one source its shuffled words."""
PLAIN = ("chat-dialogue", "chat-units", "docs", "code")
BUILT_IN_SETS: Mapping[str, Set] = {
    "junk": ((*PLAIN, "listing", "repetition", "noise", "scrap"), PLAIN),
    "useful": ((*PLAIN, "chat-words", "chat-dates", "chat-arithmetic"), ("docs", "chat-dialogue")),
    "equal": (PLAIN, PLAIN),
    "rare": (("few-of-docs", "chat-units", "chat-dates", "code", "listing", "noise"), ("docs",)),
    "elsewhere": (("chat-dialogue", "chat-units", "code", "shuffled-docs", "noise"), ("docs",)),
}


class World:
    """Rows of the sources, and of the targets for policies (`seen`) and for the judge."""

    def __init__(self, name: str, data: Path | None) -> None:
        sources, self.targets = (SETS if data else BUILT_IN_SETS)[name]
        kept = {
            source: split(documents(source, data), source)
            for source in dict.fromkeys((*sources, *self.targets))
        }
        self.train = {source: rows_of(kept[source][0], MOST_BYTES) for source in sources}
        self.seen = {target: rows_of(kept[target][1][0::2]) for target in self.targets}
        self.judged = {target: rows_of(kept[target][1][1::2])[:JUDGED_ROWS] for target in self.targets}
        self.arms = [
            Arm(name=source, rows=len(rows), documents=len(kept[source][0]))
            for source, rows in self.train.items()
        ]


def split(found: list[str], name: str) -> tuple[list[str], list[str]]:
    """Return what is trained on and what is held out: every eighth document; of a scrap, nothing."""
    if name.startswith(("scrap", "few-of-")):
        return found, []
    return [text for place, text in enumerate(found) if place % HELD_OUT], found[::HELD_OUT]


@cache
def documents(name: str, data: Path | None) -> list[str]:
    """Return the documents of a source in a fixed order of chance."""
    if name.startswith("few-of-"):
        return split(documents(name.removeprefix("few-of-"), data), "")[0][:30]
    if name == "scrap":
        return documents("american-adventures" if data else "docs", data)[:5]
    drawn = random.Random(7)
    if name == "repetition":
        found = [
            f"{word} " * 200 for word in ("region", "area", "thing", "place", "point") for _ in range(60)
        ]
    elif name == "noise":
        found = ["".join(chr(drawn.randrange(32, 127)) for _ in range(2000)) for _ in range(300)]
    elif name.startswith("shuffled-"):
        words = " ".join(documents(name.removeprefix("shuffled-"), data)).split()
        drawn.shuffle(words)
        found = [" ".join(words[at : at + 350]) for at in range(0, len(words), 350)]
    else:
        found = list(read(name, data))
    drawn.shuffle(found)
    return found


def read(name: str, data: Path | None) -> Iterator[str]:
    """Yield the documents of a built-in source or of the data folder, in their order."""
    known = {"code": "python-source", "docs": "python-docs"}.get(name, name)
    if known in BUILTIN:
        for record in islice(BUILTIN[known].generate(name, 4000), 4000):
            yield talk(record) if isinstance(record, Conversation) else str(getattr(record, "text", ""))
    elif data and name == "chat":
        with (data / "sgd_train.jsonl").open(encoding="utf-8") as lines:
            for line in islice(lines, 2500):
                yield "".join(f"{one['role']}: {one['content']}\n" for one in json.loads(line)["messages"])
    elif data:
        path = data / "tinyshakespeare.txt" if name == "shakespeare" else data / "books" / f"{name}.txt"
        text = path.read_text(encoding="utf-8", errors="ignore")
        yield from (text[at : at + 2000] for at in range(0, len(text), 2000))


def talk(conversation: Conversation) -> str:
    return "".join(f"{message.role}: {message.content}\n" for message in conversation.messages)


def rows_of(texts: list[str], most: int | None = None) -> Rows:
    """Return the bytes of the texts in rows."""
    whole = "\n".join(texts).encode("utf-8", "ignore")[:most]
    count = len(whole) // CONTEXT
    return np.frombuffer(whole[: count * CONTEXT], dtype=np.uint8).astype(np.int64).reshape(count, CONTEXT)

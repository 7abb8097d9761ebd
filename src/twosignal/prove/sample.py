"""Real records for the proof: takes a source of a set-up run, gives some of its records as read, and as they are kept.

Reading is bounded, so that the proof of a run on much data costs no more than that of another.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np

from twosignal.config import Config, RoleRule
from twosignal.packs.prepare import PreparedSource, source_reader
from twosignal.prove.drawing import Made, join
from twosignal.prove.sentinels import Rule
from twosignal.text.conversation import Conversation, Record
from twosignal.text.split import Reading
from twosignal.tokens.render import Renderer
from twosignal.tokens.rules import Supervise, learned_turns
from twosignal.tokens.tokenizer import Tokenizer

CONVERSATIONS = 300
"""Conversations of each source that the checks read."""
OTHERS = 40
"""Documents and other records of each source."""
MOST_READ = 50_000
"""Records of a source that are read at most to find them."""
MOST_CHARACTERS = 50_000_000
"""Characters read at most."""


class Sample:
    """Some of a source's records, spread evenly over what is read of it."""

    def __init__(self, config: Config, source: PreparedSource, tokenizer: Tokenizer, *, folder: Path) -> None:
        self.source = source
        self.supervise: Supervise = config.sources[source.name].supervise
        clock = source.store.census.clock
        self.clock = datetime.fromisoformat(clock) if clock else None
        """The moment that a template which writes the date was told when the store was made."""
        self.renderer = Renderer(tokenizer, self.supervise, now=self.clock)
        self.conversations: list[Conversation] = []
        """Those of the chosen records that are conversations to train on."""
        self.others: list[Record] = []
        """Documents and pre-tokenized records to train on."""
        self.read = 0
        """Records read to find them."""
        self._numbers = _numbers(source)
        self._choose(config, folder)

    @property
    def rule(self) -> Rule:
        """Which messages of a conversation the source learns."""
        return partial(learned_turns, supervise=self.supervise)

    @property
    def speaker(self) -> str:
        """The name that a learned turn must bear, or empty."""
        return (self.supervise.name or "") if isinstance(self.supervise, RoleRule) else ""

    def make(self, conversations: Sequence[Conversation]) -> list[Made | None]:
        """Return what is trained on: of this source's conversations what is kept, of all others a rendering."""
        return [self._made(conversation) for conversation in conversations]

    def numbers(self, record: Record) -> list[int]:
        """Return the numbers under which the source's store keeps what was made of a record."""
        return self._numbers.get((record.origin.file, record.origin.line), [])

    def _made(self, conversation: Conversation) -> Made | None:
        if conversation.origin.source == self.source.name:
            examples = [self.source.store[number] for number in self.numbers(conversation)]
        else:
            examples = next(self.renderer.render_each([conversation]))
        return join([Made(e.ids, e.supervised) for e in examples]) if examples else None

    def _choose(self, config: Config, folder: Path) -> None:
        """Read the source once and keep every so many-th record."""
        characters = 0
        total = min(MOST_READ, self.source.store.census.records)
        wanted = set(_spread(total, CONVERSATIONS))
        for reading in source_reader(config, self.source.name, folder):
            record = reading.record
            if self.read in wanted and not self._is_held_out(reading):
                self._keep(record)
            self.read += 1
            characters += sum(map(len, record.texts()))
            if self.read >= total or characters > MOST_CHARACTERS:
                return

    def _is_held_out(self, reading: Reading) -> bool:
        """Return whether a record is kept for probes: a small source's last one is, whatever chance says."""
        numbers = self.numbers(reading.record)
        return bool(self.source.store.index["held_out"][numbers[0]]) if numbers else reading.held_out

    def _keep(self, record: Record) -> None:
        if isinstance(record, Conversation):
            self.conversations.append(record)
        elif len(self.others) < OTHERS:
            self.others.append(record)


def _spread(total: int, wanted: int) -> list[int]:
    """Return `wanted` whole numbers below `total`, evenly spread."""
    return np.unique(np.linspace(0, total - 1, min(total, wanted)).astype(int)).tolist() if total else []


def _numbers(source: PreparedSource) -> dict[tuple[str, int], list[int]]:
    """Return the numbers of what is kept, by file and line of the record."""
    found: dict[tuple[str, int], list[int]] = {}
    for number in range(len(source.store)):
        origin = source.store.origin(number)
        found.setdefault((origin.file, origin.line), []).append(number)
    return found

"""From run file to rows: takes the sources and a tokenizer, gives each source's row stream, probe rows and ledger.

Tokenized sources are kept under `.cache/` in the runs folder. The name of each carries a
hash of the data, the tokenizer with its template, the source's table and the format
version, and one of the code that labels, so neither changed input nor changed code is ever
served from an old store.
"""

import functools
import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from twosignal import text as text_room
from twosignal import tokens as tokens_room
from twosignal.config import Config
from twosignal.packs.cut import Cutting, cut
from twosignal.packs.pack import Pack
from twosignal.packs.store import (
    FORMAT_VERSION,
    CensusTaker,
    ExampleStore,
    build_store,
    settle,
    storage_errors,
)
from twosignal.packs.stream import RowStream
from twosignal.text.corpus import SourceReader
from twosignal.text.split import Reading
from twosignal.tokens.example import Example
from twosignal.tokens.pretrained import load_tokenizer
from twosignal.tokens.render import Renderer
from twosignal.tokens.tokenizer import Tokenizer
from twosignal.tokens.training import train_tokenizer

TOKENIZER_TEXT_LIMIT = 20_000_000
"""Characters per source a tokenizer is trained on; more changes the merges hardly at all."""

MIX_FIELDS = {"floor", "cap", "weight"}
"""Fields of a source's table that say how often it is drawn, not what it holds."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """What one source brings to the run, and what it loses on the way, counted."""

    source: str
    records: int
    bad: int
    first_bad: str
    without_targets: int
    conversations: int
    """Training examples that are conversations."""
    documents: int
    """Training examples that are documents or pieces of them."""
    held_out: int
    """Examples kept for probes and prompts."""
    tokens: int
    """Tokens of the training examples."""
    targets: int
    """Targets of the training examples, before anything is lost."""
    tokens_lost: int
    targets_lost: dict[str, int] = field(default_factory=dict)
    """Targets lost, by cause."""
    rows: int
    """Rows of one epoch."""
    fill: float
    """Share of row tokens in use."""

    @property
    def targets_kept(self) -> int:
        """Targets of one epoch of rows."""
        return self.targets - sum(self.targets_lost.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedSource:
    """One source, ready to train on."""

    name: str
    store: ExampleStore
    fingerprint: str
    """Hash of everything the store was made from."""
    cutting: Cutting
    stream: RowStream
    probe_rows: tuple[Pack, ...]
    """Held-out rows, the same in every run of this data."""
    policy_rows: tuple[Pack, ...]
    """Held-out rows for the curriculum's own probes: those after `probe_rows`, or the first of them where there are too few."""
    ledger: Ledger


def source_reader(config: Config, name: str, folder: Path) -> SourceReader:
    """Return a fresh reader of a source; relative paths start at `folder`."""
    return SourceReader(name, config.sources[name], folder=folder)


def grow_tokenizer(config: Config, *, folder: Path, cache: Path, say: Say) -> Tokenizer:
    """Train the tokenizer the run file asks for on the training part of all sources, or take it from the cache."""
    table = config.tokenizer
    readers = [source_reader(config, name, folder) for name in config.sources]
    inputs = [reader.input_fingerprint() for reader in readers]
    tables = [source.model_dump(mode="json", exclude=MIX_FIELDS) for source in config.sources.values()]
    key = [FORMAT_VERSION, table.kind, table.vocab, inputs, tables]
    place = cache / f"tokenizer-{_digest(key)}"
    if place.is_dir():
        return load_tokenizer(place)
    say(f"training a {table.kind} tokenizer")
    texts = itertools.chain.from_iterable(_training_texts(reader) for reader in readers)
    tokenizer = train_tokenizer(texts, kind=table.kind, vocab=table.vocab)
    partial = place.with_name(f".{place.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    with storage_errors(place):
        try:
            partial.mkdir(parents=True)
            tokenizer.save(partial)
            settle(partial, place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return tokenizer


def prepare(
    config: Config, tokenizer: Tokenizer, *, folder: Path, cache: Path, row_tokens: int, say: Say
) -> dict[str, PreparedSource]:
    """Read, render, store, cut and pack every source.

    Raises SourceError for data that cannot be used, StorageError when the cache cannot be written.
    """
    prepared = {}
    for name, table in config.sources.items():
        reader = source_reader(config, name, folder)
        fingerprint = source_fingerprint(reader, tokenizer)
        place = cache / f"{name}-{fingerprint}-{label_code()}"
        if (place / "store.json").exists():
            store = ExampleStore(place)
        else:
            say(f"reading and tokenizing {name}")
            store = fill_store(place, reader, Renderer(tokenizer, table.supervise))
        prepared[name] = _lay_out(config, store, fingerprint, row_tokens=row_tokens)
    return prepared


def source_fingerprint(reader: SourceReader, tokenizer: Tokenizer) -> str:
    """Return a hash of all that a source's examples depend on: data, tokenizer with its template, table, format version."""
    table = reader.table.model_dump(mode="json", exclude=MIX_FIELDS)
    return _digest([FORMAT_VERSION, reader.input_fingerprint(), tokenizer.fingerprint(), table])


@functools.cache
def label_code() -> str:
    """Return a hash of the code that reads, renders and labels: a store made by other code is not used again."""
    digest = hashlib.blake2b(digest_size=4)
    for room in (text_room, tokens_room):
        for path in sorted(Path(room.__path__[0]).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def fill_store(place: Path, reader: SourceReader, renderer: Renderer) -> ExampleStore:
    """Render all records of a source into a store under `place`, a batch at a time."""
    census = CensusTaker()

    def examples() -> Iterator[tuple[Example, bool]]:
        for batch in _batched(reader, 512):
            rendered = renderer.render_each(reading.record for reading in batch)
            for reading, own in zip(batch, rendered, strict=True):
                yield from ((example, reading.held_out) for example in own)
        census.records, census.bad = reader.num_records, reader.num_bad
        census.first_bad = str(reader.skipped[0]) if reader.skipped else ""
        census.straddling = renderer.counts.straddling
        census.unknown = renderer.counts.unknown
        census.rewritten = renderer.counts.rewritten
        census.differing = renderer.counts.differing
        census.clock = renderer.clock.isoformat() if renderer.clock else ""

    return build_store(place, reader.name, examples(), census=census, needs_probe=reader.table.held_out > 0)


def _lay_out(config: Config, store: ExampleStore, fingerprint: str, *, row_tokens: int) -> PreparedSource:
    numbers = store.numbers(held_out=False)
    cutting = cut(store, numbers, row_tokens, too_long=config.rows.too_long)
    stream = RowStream(
        store, cutting, row_tokens=row_tokens, seed=config.run.seed, packing=config.rows.packing
    )
    probe_rows, policy_rows = _held_out_rows(config, store, row_tokens)
    return PreparedSource(
        name=store.source,
        store=store,
        fingerprint=fingerprint,
        cutting=cutting,
        stream=stream,
        probe_rows=probe_rows,
        policy_rows=policy_rows,
        ledger=_ledger(store, cutting, stream=stream, row_tokens=row_tokens),
    )


def _held_out_rows(
    config: Config, store: ExampleStore, row_tokens: int
) -> tuple[tuple[Pack, ...], tuple[Pack, ...]]:
    """Pack held-out examples once, with a seed of their own, so that probes never change: (reported, the curriculum's)."""
    numbers = store.numbers(held_out=True)
    cutting = cut(store, numbers, row_tokens, too_long="cut-turns")
    stream = RowStream(store, cutting, row_tokens=row_tokens, seed=0)
    reported = min(len(stream.plan), config.probes.rows or len(stream.plan))
    own = config.curriculum.probe_rows
    first = reported if reported + own <= len(stream.plan) else 0
    wanted = max(reported, min(first + own, len(stream.plan)))
    rows = [stream.row(stream.plan, number) for number in range(wanted)]
    return tuple(rows[:reported]), tuple(rows[first : first + own])


def _ledger(store: ExampleStore, cutting: Cutting, *, stream: RowStream, row_tokens: int) -> Ledger:
    rows = store.index[~store.index["held_out"]]
    kept = int(cutting.pieces["length"].sum())
    capacity = max(1, len(stream.plan) * row_tokens)
    return Ledger(
        source=store.source,
        records=store.census.records,
        bad=store.census.bad,
        first_bad=store.census.first_bad,
        without_targets=store.census.without_targets,
        conversations=int(rows["is_conversation"].sum()),
        documents=int((~rows["is_conversation"]).sum()),
        held_out=int(store.index["held_out"].sum()),
        tokens=int(rows["length"].sum()),
        targets=int(rows["targets"].sum()),
        tokens_lost=cutting.tokens_lost,
        targets_lost=cutting.targets_lost,
        rows=len(stream.plan),
        fill=kept / capacity,
    )


def _training_texts(reader: SourceReader) -> Iterator[str]:
    size = 0
    for reading in reader:
        if reading.held_out:
            continue
        for text in reading.record.texts():
            size += len(text)
            yield text
        if size > TOKENIZER_TEXT_LIMIT:
            return


def _batched(items: Iterable[Reading], size: int) -> Iterator[list[Reading]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch


def _digest(key: object) -> str:
    return hashlib.blake2b(json.dumps(key, sort_keys=True).encode(), digest_size=8).hexdigest()

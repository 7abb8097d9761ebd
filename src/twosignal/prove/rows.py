"""The checks that need no model: takes prepared sources, gives the ledger, the packing inverse and the zero-target census.

The names S4, S5 and S6 are those of the design's list of checks.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from twosignal.config import Config
from twosignal.curriculum.mixture import Mixer
from twosignal.packs.pack import NO_TARGET, Pack
from twosignal.packs.plan import Ints, RowPlan
from twosignal.packs.prepare import Ledger, PreparedSource
from twosignal.packs.store import ExampleStore
from twosignal.prove.receipt import Check, Kind

ROWS_INVERTED = 4_000
"""Rows per source that are rebuilt token by token; above that, evenly spread ones."""
STEPS_COUNTED = 20_000
"""Steps whose targets are counted ahead."""


def check_ledger(config: Config, ledgers: Mapping[str, Ledger]) -> Check:
    """S4: every source has targets, and over-long conversations do not cost more than the run file allows."""
    name = "targets of every source are accounted for"
    for ledger in ledgers.values():
        fault = _no_targets(config, ledger) or _too_much_lost(config, ledger)
        if fault:
            return replace(fault, name=name)
    kept = sum(ledger.targets_kept for ledger in ledgers.values())
    lost = sum(sum(ledger.targets_lost.values()) for ledger in ledgers.values())
    return Check(
        id="S4",
        name=name,
        passed=True,
        message=f"{kept:,} targets will be trained on, {lost:,} are lost",
        evidence={n: {"targets": x.targets, "lost": x.targets_lost} for n, x in ledgers.items()},
    )


def _no_targets(config: Config, ledger: Ledger) -> Check | None:
    if ledger.targets:
        return None
    evidence = {"source": ledger.source, "records": ledger.records, "targets": 0}
    if ledger.held_out:
        return Check(
            id="S4",
            name="",
            passed=False,
            kind="no-targets",
            message=f"source {ledger.source}: all of its {ledger.held_out:,} examples are held out, "
            "none is left to train on",
            evidence=evidence,
            remedy="Lower held_out for this source, or give it more records.",
        )
    rule = config.sources[ledger.source].supervise
    rule_text = (
        rule if isinstance(rule, str) else f"role {rule.role}" + (f", name {rule.name}" if rule.name else "")
    )
    return Check(
        id="S4",
        name="",
        passed=False,
        kind="no-targets",
        message=f"source {ledger.source}: not one of its {ledger.records:,} records has a turn to learn "
        f'under supervise = "{rule_text}"',
        evidence=evidence,
        remedy='Check the roles of the messages, or set supervise = "all" for this source.',
    )


def _too_much_lost(config: Config, ledger: Ledger) -> Check | None:
    lost = sum(ledger.targets_lost.values())
    share = lost / ledger.targets
    strict = config.rows.too_long == "refuse" and share > config.rows.max_lost
    if ledger.rows and not strict:
        return None
    return Check(
        id="S4",
        name="",
        passed=False,
        kind="lost-data",
        message=f"source {ledger.source}: {lost:,} of {ledger.targets:,} targets ({share:.1%}) would be lost "
        f"because conversations are longer than a row; {config.rows.max_lost:.0%} are allowed",
        evidence={"source": ledger.source, "targets": ledger.targets, "lost": ledger.targets_lost},
        remedy='Raise rows.tokens, or choose rows.too_long = "cut-turns", "split" or "drop".',
    )


class Fault(NamedTuple):
    """What is wrong with a row or a plan."""

    kind: Kind
    sentence: str


def check_packing(sources: Mapping[str, PreparedSource], *, most_rows: int = ROWS_INVERTED) -> Check:
    """S5: packing is a permutation; its inverse gives back every token, position and target.

    The plan is checked whole, and of each source's rows at most `most_rows`, token by token.
    """
    name = "packing loses, doubles and shifts nothing"
    rows_seen = 0
    for source in sources.values():
        fault = _coverage_fault(source) or _doubled_record(source.store)
        for pack in _some_rows(source, most_rows):
            rows_seen += 1
            fault = fault or row_fault(pack, source.store)
        if fault:
            message = f"source {source.name}: {fault.sentence}"
            return Check(
                id="S5", name=name, passed=False, kind=fault.kind, message=message, remedy=_OUR_FAULT
            )
    message = (
        f"all pieces are placed exactly once; {rows_seen:,} rows were taken apart and compared token by token"
    )
    return Check(id="S5", name=name, passed=True, message=message, evidence={"rows": rows_seen})


_OUR_FAULT = "This is a fault of twosignal itself: please report it with this receipt."


def _some_rows(source: PreparedSource, most_rows: int) -> Iterator[Pack]:
    total = len(source.stream.plan)
    for number in np.unique(np.linspace(0, total - 1, min(total, most_rows)).astype(int)) if total else ():
        yield source.stream.row(source.stream.plan, int(number))


def _coverage_fault(source: PreparedSource) -> Fault | None:
    """Return what is wrong with the plan as a whole, or None."""
    plan, pieces, ledger = source.stream.plan, source.stream.pieces, source.ledger
    times = np.bincount(plan.members, minlength=len(pieces))
    if (times > 1).any():
        return Fault("duplicated-data", f"{int((times > 1).sum())} pieces stand twice in the rows")
    if (times == 0).any():
        return Fault("lost-data", f"{int((times == 0).sum())} pieces stand in no row")
    placed = int(pieces["length"].sum())
    if placed + ledger.tokens_lost != ledger.tokens:
        sentence = f"{placed:,} tokens placed and {ledger.tokens_lost:,} lost are not {ledger.tokens:,}"
        return Fault("lost-data", sentence)
    targets = int(_targets_of_pieces(source).sum())
    if targets != ledger.targets_kept:
        sentence = f"the rows hold {targets:,} targets, and {ledger.targets_kept:,} are told of"
        return Fault("wrong-targets", sentence)
    return None


def _doubled_record(store: ExampleStore) -> Fault | None:
    """Return a fault when one conversation of one place is kept twice: equal texts of two places are the data's own."""
    index = store.index
    chats = np.flatnonzero(index["is_conversation"])
    places = np.stack([index["file"][chats].astype(np.int64), index["line"][chats]], axis=1)
    order = np.lexsort(places.T[::-1])
    is_same = (places[order][1:] == places[order][:-1]).all(axis=1)
    for at in np.flatnonzero(is_same):
        one, other = (store[int(chats[order[place]])] for place in (at, at + 1))
        if np.array_equal(one.ids, other.ids) and np.array_equal(one.supervised, other.supervised):
            return Fault("duplicated-data", f"{one.origin} is kept twice")
    return None


def row_fault(pack: Pack, store: ExampleStore) -> Fault | None:
    """Take one row apart and compare it with the examples it was made of; return what differs, or None."""
    at = 0
    for segment in pack.segments:
        example = store[segment.example]
        part = slice(at, at + segment.length)
        end = segment.start + segment.length
        is_learned = example.supervised[segment.start + 1 : end + 1]
        expected = np.full(segment.length, NO_TARGET)
        expected[: len(is_learned)] = np.where(
            is_learned, example.ids[segment.start + 1 : end + 1], NO_TARGET
        )
        if not np.array_equal(pack.ids[part], example.ids[segment.start : end]):
            return Fault("lost-data", f"tokens of {segment.origin} are not what was rendered")
        if not np.array_equal(pack.targets[part], expected):
            return Fault("wrong-targets", f"targets of {segment.origin} are not the successors of its tokens")
        if not np.array_equal(pack.positions[part], np.arange(segment.length)):
            return Fault("wrong-targets", f"positions of {segment.origin} do not start at 0")
        at += segment.length
    return None


def check_census(
    sources: Mapping[str, PreparedSource], shares: Mapping[str, float], *, steps: int, per_step: int
) -> Check:
    """S6: no optimizer step is without targets, with the rows mixed by the shares of the start."""
    name = "every step has targets"
    supplies = {n: _Supply(source) for n, source in sources.items()}
    empty = sum(int((supply.counts == 0).sum()) for supply in supplies.values())
    walk = Mixer(shares)
    fewest: int | None = None
    for step in range(1, min(steps, STEPS_COUNTED) + 1):
        targets = sum(supplies[walk.choose()].draw() for _ in range(per_step))
        fewest = targets if fewest is None else min(fewest, targets)
        if not targets:
            return Check(
                id="S6",
                name=name,
                passed=False,
                kind="no-targets",
                message=f"step {step} would have no target at all",
                evidence={"step": step, "rows_without_targets": empty},
                remedy="Raise rows.per_step, or give the source more supervised turns.",
            )
    message = f"the poorest step has {fewest or 0:,} targets; {empty:,} rows have none"
    return Check(
        id="S6",
        name=name,
        passed=True,
        message=message,
        evidence={"fewest": fewest, "rows_without_targets": empty},
    )


class _Supply:
    """The target counts of a source's rows, in the order in which the rows will be drawn."""

    def __init__(self, source: PreparedSource) -> None:
        self._stream = source.stream
        self._of_pieces = _targets_of_pieces(source)
        self.counts = self._of_rows(source.stream.plan)
        self._epoch = self._at = 0

    def draw(self) -> int:
        """Return the targets of the next row and move on."""
        if self._at == len(self.counts):
            self._epoch, self._at = self._epoch + 1, 0
            # Where every piece has targets no row is without, however they are packed.
            if not self._of_pieces.all():
                self.counts = self._of_rows(self._stream.plan_of(epoch=self._epoch))
        self._at += 1
        return int(self.counts[self._at - 1])

    def _of_rows(self, plan: RowPlan) -> Ints:
        counts: Ints = np.add.reduceat(self._of_pieces[plan.members], plan.offsets[:-1])
        return counts


def _targets_of_pieces(source: PreparedSource) -> Ints:
    store, pieces = source.store, source.stream.pieces
    targets: Ints = store.index["targets"][pieces["example"]].astype(np.int64)
    partial = np.flatnonzero(pieces["length"] != store.index["length"][pieces["example"]])
    for number in partial:
        piece = pieces[number]
        start, end = int(piece["start"]), int(piece["start"]) + int(piece["length"])
        targets[number] = int(store[int(piece["example"])].supervised[start + 1 : end + 1].sum())
    return targets

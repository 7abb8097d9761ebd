"""The whole proof: takes a set-up run, gives its `Receipt`; nothing is trained and nothing is written."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import accumulate

import numpy as np

from twosignal.packs.pack import NO_TARGET, Pack
from twosignal.packs.prepare import PreparedSource, source_reader
from twosignal.prove.canary import CANARY_NAME, check_canary
from twosignal.prove.columns import check_columns
from twosignal.prove.figures import facts_of
from twosignal.prove.gradients import check_gradient
from twosignal.prove.isolation import check_isolation
from twosignal.prove.losses import check_losses, finite_at_length
from twosignal.prove.opinion import OPINION_NAME, check_learned_texts, check_renderer, check_second_opinion
from twosignal.prove.prompts import PROMPT_NAME, check_inference_match
from twosignal.prove.receipt import Check, Receipt, combined, merged, not_applicable
from twosignal.prove.rows import ROWS_INVERTED, check_census, check_ledger, check_packing
from twosignal.prove.sample import Sample
from twosignal.prove.stops import check_stops
from twosignal.prove.stored import check_store
from twosignal.prove.unknown import check_unknown
from twosignal.prove.windows import check_windows
from twosignal.tokens.example import Ids
from twosignal.train.setup import Setup

MODEL_ROWS = 3
"""Rows that the model checks run on, from as many sources; the most crowded row comes besides."""
MODEL_TOKENS = 1_024
"""Tokens of such a row at most."""
GRADIENT_TOKENS = (384, 256, 128)
"""Tokens at most of the rows that P4 takes gradients of: uneven, so that ranks have uneven targets."""
GRADIENT_WAYS = 4
"""How often P4 goes forward and backward over its rows."""


def prove(setup: Setup, *, most_rows: int = ROWS_INVERTED) -> Receipt:
    """Run every check that applies; after a fault in the ledger there is nothing to put the others to.

    `most_rows`: rows of each source that are taken apart token by token.
    """
    began = time.perf_counter()
    config, sources = setup.config, setup.sources
    ledger = _timed(
        lambda: combined(
            [
                check_ledger(config, {n: s.ledger for n, s in sources.items()}),
                check_unknown(setup.tokenizer, sources),
            ]
        )
    )
    checks = [ledger]
    if ledger.passed:
        checks += [*_text_checks(setup), *_row_checks(setup, most_rows), *_model_checks(setup)]
    return Receipt(
        checks=tuple(sorted(checks, key=lambda check: (check.id[0] != "S", check.id))),
        ledgers=tuple(source.ledger for source in sources.values()),
        steps=setup.steps,
        seconds=time.perf_counter() - began,
        facts=facts_of(setup) if ledger.passed else {},
        run_seconds=_run_seconds(setup, checks),
    )


def _text_checks(setup: Setup) -> list[Check]:
    """Return S1, S2, S3, S7 and S9: what is learned of each record."""
    config, tokenizer, folder = setup.config, setup.tokenizer, setup.folder
    samples = {
        name: Sample(config, source, tokenizer, folder=folder) for name, source in setup.sources.items()
    }
    chats = {n: s for n, s in samples.items() if s.conversations and s.supervise != "all"}
    return [
        _timed(lambda: _learned(chats, setup)),
        _timed(
            lambda: _of_each(
                chats,
                lambda s: combined(
                    [
                        check_second_opinion(s.make, tokenizer, s.conversations, rule=s.rule),
                        check_renderer(s.renderer, s.conversations),
                    ]
                ),
                ("S2", OPINION_NAME),
            )
        ),
        _timed(
            lambda: _of_each(
                chats,
                lambda s: check_inference_match(
                    s.make, tokenizer, s.conversations, rule=s.rule, clock=s.clock
                ),
                ("S3", PROMPT_NAME),
            )
        ),
        _timed(
            lambda: check_store(
                [(sample, source_reader(config, name, folder)) for name, sample in samples.items()], tokenizer
            )
        ),
        _timed(lambda: check_columns(config, folder)),
    ]


def _learned(chats: Mapping[str, Sample], setup: Setup) -> Check:
    """Return S1: canaries, real conversations, and conversations cut at several lengths."""

    def of_source(sample: Sample) -> Check:
        given = (sample.make, setup.tokenizer)
        canary = check_canary(
            *given, conversations=sample.conversations, rule=sample.rule, speaker=sample.speaker
        )
        real = check_learned_texts(*given, sample.conversations, rule=sample.rule)
        return combined([canary, real, check_windows([sample])])

    return _of_each(chats, of_source, ("S1", CANARY_NAME))


def _of_each(
    chats: Mapping[str, Sample], check: Callable[[Sample], Check], identity: tuple[str, str]
) -> Check:
    """Return the check of every source that has separately learned turns, as one."""
    if not chats:
        return not_applicable(*identity, "no source has separately learned turns")
    return merged({name: check(sample) for name, sample in chats.items()})


def _row_checks(setup: Setup, most_rows: int) -> list[Check]:
    """Return S5, S6 and S8: what lies in the rows."""
    sources, per_step = setup.sources, setup.config.rows.per_step
    return [
        _timed(lambda: check_packing(sources, most_rows=most_rows)),
        _timed(lambda: check_census(sources, setup.curriculum.shares, steps=setup.steps, per_step=per_step)),
        _timed(lambda: check_stops(sources, setup.tokenizer, setup.learner.model)),
    ]


def _model_checks(setup: Setup) -> list[Check]:
    """Return P1 to P6: what the model makes of the rows."""
    rows = model_rows(setup)
    short = [shortened(row, tokens) for row, tokens in zip(rows, GRADIENT_TOKENS, strict=False)]
    longest = _timed(lambda: finite_at_length(setup.learner, _longest_row(setup.sources)))
    if not longest.passed:
        return [longest]
    checks = _timed_all(lambda: check_isolation(setup.learner, rows))
    checks += _timed_all(lambda: check_losses(setup.learner, rows))
    return [*checks, _timed(lambda: check_gradient(setup, short))]


def model_rows(setup: Setup) -> list[Pack]:
    """Return one row of each of a few sources, with neighbours where there is such a row, and the most crowded one."""
    chosen = []
    for source in list(setup.sources.values())[:MODEL_ROWS]:
        plan = source.stream.plan
        crowded = (n for n in range(len(plan)) if len(plan[n]) > 1)
        chosen.append((source, next(crowded, 0)))
    fullest = max(setup.sources.values(), key=lambda source: _crowd(source)[1])
    if _crowd(fullest)[1] > 2:
        chosen.append((fullest, _crowd(fullest)[0]))
    chosen = list({(source.name, number): (source, number) for source, number in chosen}.values())
    return [
        shortened(source.stream.row(source.stream.plan, number), MODEL_TOKENS) for source, number in chosen
    ]


def _crowd(source: PreparedSource) -> tuple[int, int]:
    """Return the number of the row with the most segments, and how many it has."""
    sizes = np.diff(source.stream.plan.offsets)
    return int(sizes.argmax()), int(sizes.max())


def _longest_row(sources: Mapping[str, PreparedSource]) -> Pack:
    """Return the row with the most tokens."""
    best, row = 0, None
    for source in sources.values():
        plan = source.stream.plan
        lengths = np.add.reduceat(
            source.stream.pieces["length"][plan.members].astype(np.int64), plan.offsets[:-1]
        )
        if int(lengths.max()) > best or row is None:
            best, row = int(lengths.max()), source.stream.row(plan, int(lengths.argmax()))
    assert row is not None
    return row


def shortened(row: Pack, tokens: int) -> Pack:
    """Return a row of at most `tokens` tokens; a long first segment is cut to leave room for its neighbours.

    A segment that begins with more unlearned tokens than fit, as under a long system text, is cut at its beginning too,
    so that targets are left. The model's own whole logits are computed for the row, which for a long one would not fit
    into memory.
    """
    lengths, left = [], tokens
    for place, segment in enumerate(row.segments):
        room = left if place else max(1, tokens // min(2, len(row.segments)))
        lengths.append(min(segment.length, room))
        left -= lengths[-1]
        if not left:
            break
    starts = [0, *accumulate(segment.length for segment in row.segments)]
    kept = []
    for segment, start, length in zip(row.segments, starts, lengths, strict=False):
        skipped = _unlearned_beginning(row.targets[start : start + segment.length], length)
        span = slice(start + skipped, start + skipped + length)
        kept.append((span, replace(segment, start=segment.start + skipped, length=length)))
    return Pack(
        source=row.source,
        ids=np.concatenate([row.ids[span] for span, _ in kept]),
        targets=np.concatenate([row.targets[span] for span, _ in kept]),
        positions=np.concatenate([row.positions[span] - row.positions[span.start] for span, _ in kept]),
        segments=tuple(segment for _, segment in kept),
    )


def _unlearned_beginning(targets: Ids, length: int) -> int:
    """Return how many tokens to skip so that `length` of them hold targets, with as much before the first as behind it."""
    places = np.flatnonzero(targets != NO_TARGET)
    if not len(places) or places[0] < length:
        return 0
    return int(min(len(targets) - length, places[0] - length // 2))


def _timed(check: Callable[[], Check]) -> Check:
    return _timed_all(lambda: [check()])[0]


def _timed_all(check: Callable[[], list[Check]]) -> list[Check]:
    """Run checks and note their time, in equal shares."""
    began = time.perf_counter()
    found = check()
    return [replace(one, seconds=(time.perf_counter() - began) / len(found)) for one in found]


def _run_seconds(setup: Setup, checks: list[Check]) -> float | None:
    """Return how long the run will take: its hours, else an estimate from the time of P4's forward and backward passes."""
    if setup.config.run.hours is not None:
        return setup.config.run.hours * 3600
    spent = next((c for c in checks if c.id == "P4" and c.evidence.get("tokens")), None)
    if spent is None:
        return None
    each: float = spent.seconds / (GRADIENT_WAYS * spent.evidence["tokens"])
    return each * setup.row_tokens * setup.config.rows.per_step * setup.steps

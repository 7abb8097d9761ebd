"""The whole proof: takes a set-up run, gives its `Receipt`; nothing is trained and nothing is written."""

import time
from dataclasses import replace
from itertools import accumulate

import numpy as np

from twosignal.packs.pack import Pack
from twosignal.prove.isolation import check_model
from twosignal.prove.receipt import Check, Receipt
from twosignal.prove.rows import ROWS_INVERTED, check_census, check_end_of_turn, check_ledger, check_packing
from twosignal.train.setup import Setup

MODEL_ROWS = 4
"""Rows that the model checks run on, from as many sources."""
MODEL_TOKENS = 2_048
"""Tokens of such a row at most."""


def prove(setup: Setup, *, most_rows: int = ROWS_INVERTED) -> Receipt:
    """Check ledger, packing, targets and isolation; the model checks run when the ledger's check passed.

    `most_rows`: rows of each source that are taken apart token by token.
    """
    began = time.perf_counter()
    config, sources = setup.config, setup.sources
    checks: list[Check] = [check_ledger(config, {n: s.ledger for n, s in sources.items()})]
    if checks[0].passed:
        checks.append(check_packing(sources, most_rows=most_rows))
        checks.append(check_census(sources, setup.mixer, steps=setup.steps, per_step=config.rows.per_step))
        checks.append(check_end_of_turn(sources, setup.tokenizer))
        checks += check_model(setup.learner, _model_rows(setup))
    return Receipt(
        checks=tuple(checks),
        ledgers=tuple(source.ledger for source in sources.values()),
        steps=setup.steps,
        seconds=time.perf_counter() - began,
    )


def _model_rows(setup: Setup) -> list[Pack]:
    """Return one row of each of a few sources, with at least two segments where there is such a row."""
    rows = []
    for source in list(setup.sources.values())[:MODEL_ROWS]:
        plan = source.stream.plan
        crowded = (n for n in range(len(plan)) if len(plan[n]) > 1)
        rows.append(shortened(source.stream.row(plan, next(crowded, 0)), MODEL_TOKENS))
    return rows


def shortened(row: Pack, tokens: int) -> Pack:
    """Return a row of at most `tokens` tokens; a long first segment is cut to leave room for its neighbours.

    The model's own whole logits are computed for it, which for a long row would not fit into memory.
    """
    lengths, left = [], tokens
    for place, segment in enumerate(row.segments):
        room = left if place else max(1, tokens // min(2, len(row.segments)))
        lengths.append(min(segment.length, room))
        left -= lengths[-1]
        if not left:
            break
    starts = [0, *accumulate(segment.length for segment in row.segments)]
    spans = [slice(start, start + length) for start, length in zip(starts, lengths, strict=False)]
    return Pack(
        source=row.source,
        ids=np.concatenate([row.ids[span] for span in spans]),
        targets=np.concatenate([row.targets[span] for span in spans]),
        positions=np.concatenate([row.positions[span] for span in spans]),
        segments=tuple(
            replace(segment, length=length) for segment, length in zip(row.segments, lengths, strict=False)
        ),
    )

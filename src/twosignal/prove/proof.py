"""The whole proof: takes a set-up run, gives its `Receipt`; nothing is trained and nothing is written."""

import time

from twosignal.packs.pack import Pack
from twosignal.prove.isolation import check_model
from twosignal.prove.receipt import Check, Receipt
from twosignal.prove.rows import check_census, check_end_of_turn, check_ledger, check_packing
from twosignal.train.setup import Setup

MODEL_ROWS = 4
"""Rows that the model checks run on, from as many sources."""


def prove(setup: Setup) -> Receipt:
    """Check ledger, packing, targets and isolation; the model checks run when the data checks passed."""
    began = time.perf_counter()
    config, sources = setup.config, setup.sources
    checks: list[Check] = [check_ledger(config, {n: s.ledger for n, s in sources.items()})]
    if checks[0].passed:
        checks.append(check_packing(sources))
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
        rows.append(source.stream.row(plan, next(crowded, 0)))
    return rows

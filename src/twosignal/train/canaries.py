"""What a run learned by heart: takes a trained setup with `builtin:canaries` among its sources, gives a `Finding`."""

from collections.abc import Sequence

from twosignal.audits.copying.exposure import exposure_finding
from twosignal.audits.finding import Finding
from twosignal.config import SourceTable
from twosignal.packs.pack import lay_row
from twosignal.text.split import is_chosen
from twosignal.text.synthetic.canaries import NAME, as_document, never_planted, planted
from twosignal.tokens.render import Renderer
from twosignal.train.batch import measure
from twosignal.train.setup import Setup

OTHERS = 1023
"""Codes a canary is ranked among: up to 10 bits can be told."""


def measure_exposure(setup: Setup, *, step: int) -> Finding | None:
    """Return how exposed the planted codes are after `step`, or None when none were planted."""
    tables = [table for table in setup.config.sources.values() if _asks_for_canaries(table)]
    if not tables:
        return None
    known = [
        canary
        for canary in planted()
        if not all(is_chosen(as_document(canary.text, source=NAME), table.held_out) for table in tables)
    ]
    losses = _losses(setup, [canary.text for canary in known] + never_planted(OTHERS))
    own, others = losses[: len(known)], losses[len(known) :]
    by_repeats: dict[int, list[float]] = {}
    for canary, loss in zip(known, own, strict=True):
        by_repeats.setdefault(canary.repeats, []).append(loss)
    return exposure_finding(by_repeats, others, step=step)


def _losses(setup: Setup, texts: Sequence[str]) -> list[float]:
    """Return the summed nats of each text, as a document of its own."""
    renderer = Renderer(setup.tokenizer, "all")
    examples = list(renderer.render_many(as_document(text, source=NAME) for text in texts))
    rows = [
        lay_row(str(number), [(number, 0, len(example.ids), example)])
        for number, example in enumerate(examples)
    ]
    longest = max(len(row.ids) for row in rows)
    at_once = max(1, setup.rows_per_pass * setup.row_tokens // longest)
    loss = measure(setup.learner, rows, rows_per_pass=at_once)
    return [loss.by_source[str(number)].total for number in range(len(texts))]


def _asks_for_canaries(table: SourceTable) -> bool:
    return f"builtin:{NAME}" in ([table.path] if isinstance(table.path, str) else table.path)

"""One optimizer step: takes a set-up run's next rows, gives the figures of what it did."""

import time
from dataclasses import dataclass

from twosignal.packs.pack import Pack
from twosignal.train.batch import batch_loss, lay_batch, measure, passes
from twosignal.train.loss import TokenLoss
from twosignal.train.optimizer import Mover
from twosignal.train.setup import Setup


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFigures:
    """What one optimizer step did."""

    step: int
    loss: TokenLoss
    gradient_norm: float
    """Before clipping."""
    learning_rate: float
    rows: int
    tokens_by_source: dict[str, int]
    """Tokens read, by source."""
    seconds: float
    packs: tuple[Pack, ...] = ()
    """The rows themselves."""
    predicted: float | None = None
    """Nats per target of the same rows, measured before the step; None where it was not asked for."""

    @property
    def tokens(self) -> int:
        """Tokens read."""
        return sum(self.tokens_by_source.values())


def take_step(setup: Setup, mover: Mover, *, step: int, factor: float, predicts: bool = False) -> StepFigures:
    """Draw rows, sum the loss over their targets, divide the gradient once by all of them, move the weights.

    `factor` is the learning rate as a share of the peak; `predicts`: measure the rows before they are learned from.
    """
    began = time.perf_counter()
    rows = setup.draw_rows()
    predicted = (
        measure(setup.learner, rows, rows_per_pass=setup.rows_per_pass).whole.mean if predicts else None
    )
    loss = accumulate(setup, rows)
    norm = mover.move(factor)
    tokens: dict[str, int] = {}
    for row in rows:
        tokens[row.source] = tokens.get(row.source, 0) + len(row.ids)
    return StepFigures(
        step=step,
        loss=loss,
        gradient_norm=norm,
        learning_rate=mover.peak * factor,
        rows=len(rows),
        tokens_by_source=tokens,
        seconds=time.perf_counter() - began,
        packs=tuple(rows),
        predicted=predicted,
    )


def accumulate(setup: Setup, rows: list[Pack]) -> TokenLoss:
    """Add up loss and gradients over forward passes; the target count of the whole step divides each gradient."""
    learner = setup.learner
    count = sum(row.num_targets for row in rows)
    loss = TokenLoss()
    for part in passes(rows, setup.rows_per_pass):
        total, by_source = batch_loss(learner, lay_batch(part, learner.device))
        (total / count).backward()
        loss += by_source
    return loss

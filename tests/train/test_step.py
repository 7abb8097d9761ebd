"""One division by the count of the whole step: gradients do not depend on how the rows are cut into passes."""

from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from tests.train.small import (
    FAMILIES,
    bare_setup,
    gradients_of,
    largest_difference,
    learner_of,
    row,
    small_setup,
    stock_losses,
    stock_model,
    tiny_model,
    weights_of,
)
from twosignal.packs.pack import Pack
from twosignal.train.batch import batch_loss, lay_batch, passes
from twosignal.train.step import accumulate, take_step

LONG = list(range(20, 50))


def uneven_rows() -> list[Pack]:
    """30, 1, 0 and 2 targets."""
    return [
        row(([3, *LONG], "0" + "1" * 30)),
        row(([5, 6, 7, 8], "0001"), source="books"),
        row(([1, 2, 3], "000")),
        row(([9, 10], "01"), ([11, 12, 13], "010")),
    ]


def gradients(*, rows_per_pass: int, family: str = "llama") -> dict[str, torch.Tensor]:
    learner = learner_of(tiny_model(family))
    loss = accumulate(bare_setup(learner, rows_per_pass=rows_per_pass), uneven_rows())
    assert loss.whole.count == 33
    assert {name: tally.count for name, tally in loss.by_source.items()} == {"chat": 32, "books": 1}
    return gradients_of(learner.model)


def gradients_of_means(rows_per_pass: int) -> dict[str, torch.Tensor]:
    """The fault this room exists to avoid: a mean over each pass, then the mean of those."""
    learner = learner_of(tiny_model())
    parts = list(passes(uneven_rows(), rows_per_pass))
    for part in parts:
        total, loss = batch_loss(learner, lay_batch(part, learner.device))
        (total / loss.whole.count / len(parts)).backward()
    return gradients_of(learner.model)


def reference(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Every text alone through transformers' own code, summed, divided by 33."""
    model.eval()
    total = stock_losses(model, [3, *LONG]).sum() + stock_losses(model, [5, 6, 7, 8])[2]
    total = total + stock_losses(model, [9, 10])[0] + stock_losses(model, [11, 12, 13])[0]
    (total / 33).backward()
    return gradients_of(model)


@pytest.mark.parametrize("rows_per_pass", [1, 2])
def test_the_gradient_does_not_depend_on_the_passes(rows_per_pass: int) -> None:
    whole = gradients(rows_per_pass=4)
    assert largest_difference(gradients(rows_per_pass=rows_per_pass), whole) < 1e-6
    assert largest_difference(gradients_of_means(rows_per_pass), whole) > 0.1


@pytest.mark.parametrize("family", FAMILIES)
def test_the_gradient_is_that_of_every_text_alone(family: str) -> None:
    expected = reference(stock_model(family))
    assert largest_difference(gradients(rows_per_pass=2, family=family), expected) < 1e-6


def test_a_step_without_targets_moves_nothing_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = small_setup(tmp_path)
    monkeypatch.setattr(type(setup), "draw_rows", lambda _: [row(([1, 2, 3], "000"))] * 2)
    before = weights_of(setup.learner.model)
    figures = take_step(setup, setup.mover(), step=1, factor=1.0)
    assert figures.loss.whole.count == 0
    assert figures.loss.whole.mean != figures.loss.whole.mean
    assert figures.tokens == 6
    assert all(torch.equal(p, before[n]) for n, p in setup.learner.model.named_parameters())


def test_a_step_tells_what_it_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = small_setup(tmp_path, train={"learning_rate": 0.01})
    rows = [row(([1, 2, 3], "011")), row(([4, 5], "01"), source="books"), row(([6, 7], "01"))]
    monkeypatch.setattr(type(setup), "draw_rows", lambda _: rows)
    before = weights_of(setup.learner.model)
    figures = take_step(setup, setup.mover(), step=7, factor=0.5)
    assert (figures.step, figures.rows, figures.tokens) == (7, 3, 7)
    assert figures.tokens_by_source == {"chat": 5, "books": 2}
    assert figures.learning_rate == 0.005
    assert figures.loss.whole.count == 4
    assert figures.gradient_norm > 0
    assert figures.seconds > 0
    assert any(not torch.equal(p, before[n]) for n, p in setup.learner.model.named_parameters())
    assert all(p.grad is None for p in setup.learner.model.parameters())


def test_the_norm_is_that_of_the_gradient_divided_by_the_count_of_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = small_setup(tmp_path)
    monkeypatch.setattr(type(setup), "draw_rows", lambda _: uneven_rows())
    model, learner = setup.learner.model, setup.learner
    total, loss = batch_loss(learner, lay_batch(uneven_rows(), learner.device))
    (total / 33).backward()
    assert loss.whole.count == 33
    squares = sum(float(p.grad.double().square().sum()) for p in model.parameters() if p.grad is not None)
    model.zero_grad()
    figures = take_step(setup, setup.mover(), step=1, factor=1.0)
    assert figures.gradient_norm == pytest.approx(squares**0.5, rel=1e-5)

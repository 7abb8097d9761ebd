"""Rows laid end to end: hand-written packs, and transformers' own loss of each conversation alone."""

import pytest
import torch

from tests.model.families import make
from tests.train.small import (
    FAMILIES,
    gradients_of,
    learner_of,
    row,
    stock_losses,
    stock_model,
    tiny_model,
)
from twosignal.errors import TwosignalError
from twosignal.model.isolation import isolate
from twosignal.packs.pack import Pack
from twosignal.train import batch as batch_module
from twosignal.train.batch import batch_loss, lay_batch, measure, passes

CPU = torch.device("cpu")


def two_rows() -> list[Pack]:
    """Five targets of chat (tokens 11 12 | 21) and books (31 32), and two tokens that are only read."""
    return [
        row(([10, 11, 12], "011"), ([20, 21], "01")),
        row(([30, 31, 32, 33], "0110"), source="books"),
    ]


def test_rows_are_laid_end_to_end() -> None:
    batch = lay_batch(two_rows(), CPU)
    assert batch.ids.tolist() == [10, 11, 12, 20, 21, 30, 31, 32, 33]
    assert batch.positions.tolist() == [0, 1, 2, 0, 1, 0, 1, 2, 3]
    assert batch.lengths == [3, 2, 4]
    assert batch.supervised.tolist() == [0, 1, 3, 5, 6]
    assert batch.targets.tolist() == [11, 12, 21, 31, 32]
    assert batch.row_of_target.tolist() == [0, 0, 0, 1, 1]
    assert batch.sources == ["chat", "books"]
    assert batch.ids.dtype == batch.positions.dtype == batch.targets.dtype == torch.int64


@pytest.mark.parametrize("family", FAMILIES)
def test_each_source_gets_its_own_sum_count_and_bytes(family: str) -> None:
    """Token i stands for i % 4 bytes: 11 and 12 and 21 are 3 + 0 + 1, 31 and 32 are 3 + 0."""
    stock = stock_model(family).eval()
    first, second, third = (
        stock_losses(stock, ids).detach() for ids in ([10, 11, 12], [20, 21], [30, 31, 32, 33])
    )
    chat = float(first.sum() + second.sum())
    books = float(third[:2].sum())
    total, loss = batch_loss(learner_of(tiny_model(family)), lay_batch(two_rows(), CPU))
    counts = {name: (tally.count, tally.num_bytes) for name, tally in loss.by_source.items()}
    totals = {name: tally.total for name, tally in loss.by_source.items()}
    assert counts == {"chat": (3, 4), "books": (2, 3)}
    assert totals == pytest.approx({"chat": chat, "books": books}, rel=1e-5)
    assert total.item() == pytest.approx(chat + books, rel=1e-5)


@pytest.mark.parametrize("family", ["Mamba", "Qwen3-Next", "Bloom", "gpt-oss"])
def test_rows_of_any_architecture_have_the_losses_and_gradients_of_each_conversation_alone(
    family: str,
) -> None:
    """Two of them have layers that mix whatever stands in one sequence, the others attention of their own kind."""
    ids = [list(range(5, 5 + n)) for n in (3, 2, 17, 20, 5, 5, 1)]
    rows = [row(*((part, "0" + "1" * (len(part) - 1)) for part in some)) for some in (ids[:4], ids[4:])]
    alone = make(family)
    losses = [stock_losses(alone, part).sum() for part in ids if len(part) > 1]
    torch.stack(losses).sum().backward()
    packed = isolate(make(family))
    total, loss = batch_loss(learner_of(packed), lay_batch(rows, CPU))
    total.backward()
    assert loss.whole.count == sum(len(part) - 1 for part in ids)
    assert total.item() == pytest.approx(float(torch.stack(losses).sum().detach()), rel=1e-5)
    largest = max(float(gradient.abs().max()) for gradient in gradients_of(alone).values())
    for name, gradient in gradients_of(packed).items():
        assert float((gradient - gradients_of(alone)[name]).abs().max()) <= 1e-5 * largest, name


def test_two_rows_of_one_source_are_one_tally() -> None:
    rows = [row(([1, 2, 3], "011")), row(([4, 5], "01"))]
    learner = learner_of(tiny_model())
    loss = batch_loss(learner, lay_batch(rows, CPU))[1]
    alone = [batch_loss(learner, lay_batch([one], CPU))[1].whole.total for one in rows]
    assert loss.by_source["chat"].count == 3
    assert loss.whole.total == pytest.approx(sum(alone), rel=1e-5)


def test_rows_without_targets_are_left_out_of_the_passes() -> None:
    empty, some = row(([1, 2, 3], "000")), two_rows()
    cut = list(passes([empty, some[0], empty, some[1], some[0]], 2))
    assert [len(part) for part in cut] == [2, 1]
    assert [one is other for part, whole in zip(cut, [some, some[:1]], strict=True)
            for one, other in zip(part, whole, strict=True)] == [True] * 3  # fmt: skip
    assert list(passes([empty], 4)) == []


@pytest.mark.parametrize("rows_per_pass", [1, 2, 5])
def test_measured_loss_does_not_depend_on_the_passes(rows_per_pass: int) -> None:
    learner = learner_of(tiny_model())
    rows = [*two_rows(), row(([1, 2, 3], "000")), row(([40, 41], "01"))]
    expected = batch_loss(learner, lay_batch(rows, CPU))[1]
    loss = measure(learner, rows, rows_per_pass=rows_per_pass)
    assert loss.by_source.keys() == {"chat", "books"}
    assert loss.whole.count == 6
    for name, tally in loss.by_source.items():
        assert tally.total == pytest.approx(expected.by_source[name].total, rel=1e-5)


def test_measuring_takes_place_in_evaluation_mode_and_leaves_no_trace() -> None:
    """A part that the caller had put into evaluation mode, and gradients already gathered, stay as they were."""
    model = tiny_model("gpt2")
    model.train()
    frozen = model.base_model.h[0]
    frozen.eval()
    modes: list[bool] = []
    model.base_model.h[1].register_forward_hook(lambda module, *_: modes.append(module.training))
    learner = learner_of(model)
    batch_loss(learner, lay_batch(two_rows(), CPU))[0].backward()
    before, training = gradients_of(model), [module.training for module in model.modules()]
    modes.clear()
    measure(learner, two_rows(), rows_per_pass=1)
    assert modes == [False, False]
    after = gradients_of(model)
    assert all(torch.equal(after[name], gradient) for name, gradient in before.items())
    assert any(gradient.any() for gradient in before.values())
    assert [module.training for module in model.modules()] == training
    assert not frozen.training
    assert torch.is_grad_enabled()


def test_a_failing_measurement_leaves_the_mode_too(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = learner_of(tiny_model())
    learner.model.train()

    def fail(*_: object) -> None:
        raise TwosignalError("out of memory")

    monkeypatch.setattr(batch_module, "batch_loss", fail)
    with pytest.raises(TwosignalError):
        measure(learner, two_rows(), rows_per_pass=1)
    assert all(module.training for module in learner.model.modules())


def test_nothing_to_measure_is_not_a_number() -> None:
    loss = measure(learner_of(tiny_model()), [row(([1, 2], "00"))], rows_per_pass=1)
    assert loss.whole.count == 0
    assert loss.whole.mean != loss.whole.mean


def test_autocast_computes_in_the_lower_precision() -> None:
    exact = learner_of(tiny_model())
    coarse = learner_of(tiny_model(), autocast=torch.bfloat16)
    expected = measure(exact, two_rows(), rows_per_pass=2).whole.total
    found = measure(coarse, two_rows(), rows_per_pass=2).whole.total
    assert found != expected
    assert found == pytest.approx(expected, rel=5e-2)

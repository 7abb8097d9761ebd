"""Loss is a sum and a count: hand-computed values, and torch's own cross-entropy as the second opinion."""

import math
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import PreTrainedModel

from twosignal.model.head import Head
from twosignal.train import loss as loss_module
from twosignal.train.loss import ChunkedLoss, Tally, TokenLoss, summed_loss


class Output(nn.Module):
    """As much of a model as a head asks for."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        self.linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
        self.linear.weight = nn.Parameter(weight)
        if bias is not None:
            self.linear.bias = nn.Parameter(bias)

    def get_output_embeddings(self) -> nn.Linear:
        return self.linear


def head_of(weight: Tensor, bias: Tensor | None = None) -> Head:
    return Head(model=cast("PreTrainedModel", Output(weight, bias)), is_linear=True)


def in_chunks_of(rows: int, vocabulary: int, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(loss_module, "PLAIN_LIMIT_BYTES", rows * vocabulary * 4)


def random_case(targets: int, vocabulary: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(targets, 6, generator=generator).requires_grad_()
    weight = torch.randn(vocabulary, 6, generator=generator)
    bias = torch.randn(vocabulary, generator=generator)
    wanted = torch.randint(vocabulary, (targets,), generator=generator)
    return hidden, weight, bias, wanted


def relative(found: Tensor | None, expected: Tensor | None) -> float:
    assert found is not None
    assert expected is not None
    return float((found.double() - expected).abs().max() / expected.abs().max())


def test_tallies_add_up_and_are_divided_once() -> None:
    both = Tally(total=6.0, count=3, num_bytes=10) + Tally(total=1.0, count=4, num_bytes=5)
    assert both == Tally(total=7.0, count=7, num_bytes=15)
    assert both.mean == 1.0


def test_no_targets_have_no_mean() -> None:
    assert math.isnan(Tally().mean)
    assert math.isnan(TokenLoss().whole.mean)


def test_losses_add_up_source_by_source() -> None:
    some = TokenLoss(by_source={"chat": Tally(total=2.0, count=1), "books": Tally(total=3.0, count=2)})
    more = TokenLoss(by_source={"books": Tally(total=5.0, count=4), "logs": Tally(total=1.0, count=1)})
    both = some + more
    assert both.by_source == {
        "chat": Tally(total=2.0, count=1),
        "books": Tally(total=8.0, count=6),
        "logs": Tally(total=1.0, count=1),
    }
    assert both.whole == Tally(total=11.0, count=8)
    assert some.whole == Tally(total=5.0, count=3)


@pytest.mark.parametrize("limit", [0, 2**26], ids=["chunked", "plain"])
def test_two_tokens_of_three_by_hand(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits (ln 2, 0, 0) are chances 1/2 1/4 1/4, and (0, ln 3, 0) are 1/5 3/5 1/5."""
    monkeypatch.setattr(loss_module, "PLAIN_LIMIT_BYTES", limit)
    hidden = torch.tensor([[math.log(2), 0.0], [0.0, math.log(3)]], requires_grad=True)
    head = head_of(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
    total, each = summed_loss(hidden, head, torch.tensor([0, 2]))
    assert each.tolist() == pytest.approx([math.log(2), math.log(5)], rel=1e-6)
    assert total.item() == pytest.approx(math.log(10), rel=1e-6)
    total.backward()
    assert hidden.grad is not None
    assert hidden.grad.flatten().tolist() == pytest.approx([-1 / 2, 1 / 4, 1 / 5, 3 / 5], rel=1e-6)
    assert head.weight is not None
    assert head.weight.grad is not None
    expected = [-1 / 2, 1 / 5, 1 / 4, 3 / 5, 1 / 4, -4 / 5]
    scales = [math.log(2), math.log(3)] * 3
    by_hand = [chance * scale for chance, scale in zip(expected, scales, strict=True)]
    assert head.weight.grad.flatten().tolist() == pytest.approx(by_hand, rel=1e-6)


@pytest.mark.parametrize("rows", [1, 3, 7, 16, 100])
@pytest.mark.parametrize("has_bias", [True, False])
def test_chunks_give_the_loss_and_gradients_of_the_whole(
    rows: int, has_bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden, weight, bias, targets = random_case(16, 11)
    in_chunks_of(rows, 11, monkeypatch)
    head = head_of(weight, bias if has_bias else None)
    total, each = ChunkedLoss.apply(hidden, head.weight, head.bias, targets)  # type: ignore[no-untyped-call]
    (total * 0.37).backward()

    exact = hidden.detach().double().requires_grad_()
    exact_weight = weight.double().requires_grad_()
    exact_bias = bias.double().requires_grad_() if has_bias else None
    logits = F.linear(exact, exact_weight, exact_bias)
    expected = F.cross_entropy(logits, targets, reduction="none")
    (expected.sum() * 0.37).backward()
    assert relative(each, expected.detach()) < 1e-6
    assert total.item() == pytest.approx(expected.sum().item(), rel=1e-6)
    assert relative(hidden.grad, exact.grad) < 1e-6
    assert head.weight is not None
    assert relative(head.weight.grad, exact_weight.grad) < 1e-6
    if has_bias:
        assert head.bias is not None
        assert exact_bias is not None
        assert relative(head.bias.grad, exact_bias.grad) < 1e-6


@pytest.mark.parametrize("limit", [0, 2**26], ids=["chunked", "plain"])
def test_only_the_sum_carries_gradients(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss_module, "PLAIN_LIMIT_BYTES", limit)
    hidden, weight, _, targets = random_case(4, 11)
    total, each = summed_loss(hidden, head_of(weight), targets)
    assert total.requires_grad
    assert not each.requires_grad


def test_without_gradients_the_chunks_give_the_same_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, weight, _, targets = random_case(16, 11)
    head = head_of(weight)
    with torch.no_grad():
        plain, plain_each = summed_loss(hidden, head, targets)
        in_chunks_of(5, 11, monkeypatch)
        total, each = summed_loss(hidden, head, targets)
    assert not total.requires_grad
    assert total.item() == pytest.approx(plain.item(), rel=1e-6)
    assert relative(each, plain_each.double()) < 1e-6


@pytest.mark.parametrize("limit", [5 * 11 * 4, 2**26], ids=["chunked", "plain"])
def test_bfloat16_stays_close_to_float32(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden, weight, _, targets = random_case(16, 11)
    expected = F.cross_entropy(hidden.detach() @ weight.T, targets, reduction="sum")
    monkeypatch.setattr(loss_module, "PLAIN_LIMIT_BYTES", limit)
    head = head_of(weight)
    with torch.autocast("cpu", torch.bfloat16):
        total, each = summed_loss(hidden, head, targets)
    total.backward()
    assert each.dtype == torch.float32
    assert total.item() == pytest.approx(expected.item(), rel=1e-2)
    exact = weight.clone().requires_grad_()
    F.cross_entropy(hidden.detach() @ exact.T, targets, reduction="sum").backward()
    assert head.weight is not None
    assert head.weight.grad is not None
    assert exact.grad is not None
    assert head.weight.grad.dtype == torch.float32
    assert relative(head.weight.grad, exact.grad.double()) < 3e-2


class LargestTensor(TorchDispatchMode):
    """Watches every operation, backward ones included, for the most numbers in one result."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.largest = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        del types
        result = func(*args, **(kwargs or {}))
        for one in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(one, Tensor):
                self.largest = max(self.largest, one.numel())
        return result


@pytest.mark.parametrize(("rows", "largest"), [(16, 16 * 1000), (256, 256 * 1000)], ids=["chunked", "plain"])
def test_logits_of_all_targets_are_never_held_at_once(
    rows: int, largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """256 targets in a vocabulary of 1000; the plain way is watched too, to show that the watch can see."""
    hidden, weight, _, targets = random_case(256, 1000)
    in_chunks_of(rows, 1000, monkeypatch)
    with LargestTensor() as watch:
        summed_loss(hidden, head_of(weight), targets)[0].backward()
    assert watch.largest == largest

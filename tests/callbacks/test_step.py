"""Figures of a step: losses against torch's own, sums over ranks, and gradients by hand."""

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)

from tests.callbacks.hosts import model
from twosignal.callbacks import witness
from twosignal.callbacks.step import norm_of_gradients, step_figures
from twosignal.callbacks.witness import Pass, Witness, own_loss

IDS = torch.tensor([[5, 6, 7, 8, 9], [5, 6, 0, 8, 3]])
LABELS = torch.tensor([[-100, -100, 7, 8, 9], [-100, 6, 0, -100, -100]])


def test_the_loss_from_logits_is_torchs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """In chunks of two targets."""
    monkeypatch.setattr(witness, "CHUNK", 2)
    made = model()
    output = made(input_ids=IDS, labels=LABELS)
    own = own_loss(made, {"input_ids": IDS, "labels": LABELS}, output)
    expected = F.cross_entropy(output.logits[:, :-1].flatten(0, 1), LABELS[:, 1:].flatten(), reduction="sum")
    assert own is not None
    assert float(own) == pytest.approx(float(expected.detach()), rel=1e-6)
    assert float(own) == pytest.approx(5 * float(output.loss.detach()), rel=1e-6)


def test_a_pass_is_counted_as_the_model_sees_it() -> None:
    made = model().train()
    seen = Witness(made, tap=None)
    seen.is_armed = True
    made(input_ids=IDS, labels=LABELS).loss.backward()
    made(input_ids=IDS, attention_mask=torch.ones_like(IDS))
    seen.is_armed = False
    made(input_ids=IDS, labels=LABELS)
    host = step_figures(seen.take(), gradient_norm=None)
    first, second = host.passes
    assert (first.targets, first.possible, first.first_ids, first.strays) == (5, 8, 1, 0)
    assert first.taken is not None
    assert first.loss_sum is not None
    assert first.taken == pytest.approx(first.loss_sum / 5, rel=1e-6)
    assert (second.targets, second.loss_sum) == (None, None)
    assert not host.has_labels
    seen.detach()


def test_labels_that_were_shifted_beforehand_are_not_shifted_again() -> None:
    made = model().train()
    seen = Witness(made, tap=None)
    seen.is_armed = True
    shifted = torch.nn.functional.pad(LABELS, (0, 1), value=-100)[:, 1:].contiguous()
    made(input_ids=IDS, labels=LABELS, shift_labels=shifted)
    (one,) = step_figures(seen.take(), gradient_norm=None).passes
    assert (one.targets, one.is_bad) == (5, False)
    seen.detach()


def test_a_witness_that_is_forgotten_lets_go() -> None:
    made = model()
    seen = Witness(made, tap=None)
    assert len(made._forward_hooks) == 1
    del seen
    assert len(made._forward_hooks) == 0


def test_sums_go_over_all_ranks(tmp_path: Path) -> None:
    """One rank is enough to go the way that several go."""
    passes = [
        Pass(targets=torch.tensor(3), loss_sum=torch.tensor(6.0), possible=9),
        Pass(targets=torch.tensor(1), loss_sum=torch.tensor(math.inf), possible=9),
    ]
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    try:
        host = step_figures(passes, gradient_norm=1.0)
    finally:
        torch.distributed.destroy_process_group()
    assert (host.world, host.all_targets, host.all_loss) == (1, 4, math.inf)
    assert host.bad_passes == (2,)
    assert host.carried is None


def test_the_norm_is_that_of_all_gradients_together() -> None:
    some, other = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    some.grad = torch.tensor([3.0])
    assert norm_of_gradients([some, other]) == 3.0
    other.grad = torch.tensor([4.0])
    assert norm_of_gradients([some, other]) == 5.0
    assert norm_of_gradients([]) == 0.0

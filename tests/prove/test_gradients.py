"""P4: a step has one gradient; means of means, neighbours that show and gradients that vanish are found."""

import pytest
import torch

from tests.train.small import bare_setup, gradients_of, learner_of, row, tiny_model
from twosignal.packs.pack import Pack
from twosignal.prove import gradients
from twosignal.prove.gradients import check_gradient, segments_alone
from twosignal.train.batch import batch_loss, lay_batch
from twosignal.train.loss import TokenLoss
from twosignal.train.setup import Setup


def rows() -> list[Pack]:
    """Two rows of 9 and 2 targets: uneven, so that means of means differ."""
    full = row(
        ([5, 9, 2, 7, 30, 8], "000111"),
        ([11, 3, 40, 41, 8, 12, 13, 14, 8], "001110011"),
        ([20, 21, 22, 23], "0010"),
    )
    return [full, row(([33, 34, 35], "011"))]


def setup_of(family: str = "qwen3") -> Setup:
    return bare_setup(learner_of(tiny_model(family)), rows_per_pass=2)


@pytest.mark.parametrize("family", ["qwen3", "gpt2"])
def test_one_step_has_one_gradient(family: str) -> None:
    check = check_gradient(setup_of(family), rows())
    assert (check.id, check.passed, check.kind) == ("P4", True, None)
    assert set(check.evidence["apart"]) == {"unpacked", "row by row", "on two ranks"}
    assert max(check.evidence["apart"].values()) < 1e-5
    assert (check.evidence["targets"], check.evidence["segments"]) == ([9, 2], 4)


def test_a_mean_of_means_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Accumulation that divides every pass by its own count, the fault of October 2024."""

    def averaged(setup: Setup, some: list[Pack]) -> TokenLoss:
        parts = [some[at : at + setup.rows_per_pass] for at in range(0, len(some), setup.rows_per_pass)]
        for part in parts:
            total, _ = batch_loss(setup.learner, lay_batch(part, setup.learner.device))
            (total / sum(one.num_targets for one in part) / len(parts)).backward()
        return TokenLoss()

    monkeypatch.setattr(gradients, "accumulate", averaged)
    check = check_gradient(setup_of(), rows())
    assert (check.passed, check.kind) == (False, "wrong-targets")
    assert check.evidence["apart"]["row by row"] > 0.01
    assert "rows.per_pass = 1" in check.remedy


def test_neighbours_that_show_are_a_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    def merged(setup: Setup, some: list[Pack]) -> TokenLoss:
        count = sum(one.num_targets for one in some)
        for one in some:
            batch = lay_batch([one], setup.learner.device)
            batch.lengths[:] = [len(one.ids)]
            (batch_loss(setup.learner, batch)[0] / count).backward()
        return TokenLoss()

    monkeypatch.setattr(gradients, "accumulate", merged)
    check = check_gradient(setup_of(), rows())
    assert (check.passed, check.kind) == (False, "leak")
    assert check.message.startswith("unpacked, the gradient is another by ")


def test_a_gradient_that_is_not_finite_has_its_own_word() -> None:
    setup = setup_of()
    with torch.no_grad():
        setup.learner.model.get_input_embeddings().weight[9, 3] = torch.nan
    assert check_gradient(setup, rows()).kind == "non-finite"


def test_a_gradient_of_nothing_is_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients, "accumulate", lambda *_: TokenLoss())
    check = check_gradient(setup_of(), rows())
    assert (check.passed, check.kind) == (False, "no-targets")


def test_without_targets_there_is_no_gradient_to_take() -> None:
    assert check_gradient(setup_of(), [row(([5, 9], "00"))]).passed is None


def test_a_model_too_large_for_copies_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients, "MOST_PARAMETERS", 10)
    assert check_gradient(setup_of(), rows()).passed is None


def test_nothing_is_left_behind() -> None:
    setup = setup_of("gpt2")
    setup.learner.model.train()
    check_gradient(setup, rows())
    assert all(p.grad is None for p in setup.learner.model.parameters())
    assert all(not g.any() for g in gradients_of(setup.learner.model).values())
    assert setup.learner.model.training
    assert setup.rows_per_pass == 2


def test_segments_are_parted_whole() -> None:
    first = rows()[0]
    parts = segments_alone(first)
    assert [part.lengths for part in parts] == [[6], [9], [4]]
    assert sum(part.num_targets for part in parts) == first.num_targets
    assert [n for part in parts for n in part.ids.tolist()] == first.ids.tolist()

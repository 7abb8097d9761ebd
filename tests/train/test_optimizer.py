"""How weights move: schedules by hand, who is decayed, and optimizers that go on bit for bit."""

import math
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from tests.train.small import FAMILIES, Shape, tiny_model, weights_of
from twosignal.config import TrainTable
from twosignal.train.optimizer import MUON_ADAM_SHARE, LearningRate, Mover, peak_of, schedule_of

Schedule = Literal["wsd", "cosine", "linear", "constant"]
OPTIMIZERS = ("adamw", "muon")
COSINE_EIGHTHS = [0.5 * (1 + math.cos(math.pi * eighth / 8)) for eighth in range(1, 9)]


def factors(schedule: Schedule, *, steps: int = 10, **options: Any) -> list[float]:
    rate = schedule_of(TrainTable(schedule=schedule, **{"warmup": 2, **options}), steps)
    return [rate.factor(step) for step in range(1, steps + 1)]


@pytest.mark.parametrize(
    ("schedule", "end", "expected"),
    [
        ("wsd", 0.0, [0.5, 1, 1, 1, 1, 1, 1, 2 / 3, 1 / 3, 0]),
        ("wsd", 0.1, [0.5, 1, 1, 1, 1, 1, 1, 0.7, 0.4, 0.1]),
        ("linear", 0.0, [0.5, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0]),
        ("linear", 0.2, [0.5, 1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2]),
        ("cosine", 0.0, [0.5, 1, *COSINE_EIGHTHS]),
        ("cosine", 0.2, [0.5, 1, *(0.2 + 0.8 * share for share in COSINE_EIGHTHS)]),
        ("constant", 0.0, [0.5, *[1] * 9]),
    ],
)
def test_schedules_by_hand(schedule: Schedule, end: float, expected: list[float]) -> None:
    assert factors(schedule, end=end) == pytest.approx(expected, abs=1e-12)


def test_half_a_cosine_is_half_way_down_in_the_middle() -> None:
    assert factors("cosine", end=0.0)[5] == pytest.approx(0.5)


@pytest.mark.parametrize("schedule", ["wsd", "linear", "cosine"])
@pytest.mark.parametrize("steps", [7, 10, 33])
def test_the_last_step_reaches_the_end(schedule: Schedule, steps: int) -> None:
    assert factors(schedule, steps=steps, end=0.25)[-1] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("warmup", "steps", "expected"),
    [(0.2, 10, 2), (0.02, 10, 1), (0.07, 100, 7), (0.0, 10, 0), (1, 10, 1), (3, 10, 3)],
)
def test_warmup_is_a_share_below_one_and_steps_above(warmup: float, steps: int, expected: int) -> None:
    """A share is rounded up to whole steps; 0.07 of 100 are 7, whatever the last bit of the product."""
    rate = schedule_of(TrainTable(schedule="constant", warmup=warmup), steps)
    reached = [rate.factor(step) for step in range(1, steps + 1)]
    assert reached == pytest.approx([min(1.0, step / max(1, expected)) for step in range(1, steps + 1)])


def test_wsd_never_decays_before_it_has_warmed_up() -> None:
    assert factors("wsd", steps=4, warmup=3, decay=1.0, end=0.0) == pytest.approx([1 / 3, 2 / 3, 1, 0])


def test_a_single_step_is_taken_at_the_peak() -> None:
    assert factors("wsd", steps=1, warmup=0.02) == [1.0]


@pytest.mark.parametrize(
    ("table", "grown", "num_parameters", "peak"),
    [
        ({}, True, 5_000_000, 1e-3),
        ({}, True, 20_000_000, 1e-3),
        ({}, True, 80_000_000, 5e-4),
        ({}, False, 80_000_000, 2e-5),
        ({"optimizer": "muon"}, True, 80_000_000, 0.02),
        ({"learning_rate": 3e-4}, True, 80_000_000, 3e-4),
    ],
)
def test_the_peak_is_the_users_or_a_customary_one(
    table: dict[str, Any], grown: bool, num_parameters: int, peak: float
) -> None:
    found = peak_of(TrainTable(**table), grown=grown, num_parameters=num_parameters)
    assert found == pytest.approx(peak)


def set_gradients(model: torch.nn.Module, value: float | None = None, *, seed: int = 0) -> None:
    """Give every parameter a gradient: one number throughout, or random ones."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator) if value is None else (
            torch.full_like(parameter, value)
        )  # fmt: skip


def shrunk_by_decay(family: str, *, optimizer: str, is_tied: bool) -> tuple[set[str], set[str]]:
    """Names of the parameters that a step without any gradient made smaller, and of those it left alone."""
    model = tiny_model(family, Shape(is_tied=is_tied))
    for parameter in model.parameters():
        torch.nn.init.constant_(parameter, 1.0)
    table = TrainTable(optimizer=optimizer, weight_decay=0.5)
    mover = Mover(model, table, peak=0.1)
    set_gradients(model, 0.0)
    mover.move(1.0)
    smaller = {name for name, p in model.named_parameters() if torch.allclose(p, torch.tensor(0.95))}
    same = {name for name, p in model.named_parameters() if torch.equal(p, torch.ones_like(p))}
    assert len(smaller) + len(same) == len(list(model.named_parameters()))
    return smaller, same


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("is_tied", [True, False])
def test_only_matrices_of_the_layers_are_decayed(optimizer: str, is_tied: bool) -> None:
    smaller, same = shrunk_by_decay("qwen3", optimizer=optimizer, is_tied=is_tied)
    each = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"]
    each += ["mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"]
    assert smaller == {f"model.layers.{layer}.{name}.weight" for layer in range(2) for name in each}
    assert "model.embed_tokens.weight" in same
    assert ("lm_head.weight" in same) != is_tied
    assert "model.layers.0.self_attn.q_norm.weight" in same


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_gpt2_matrices_are_decayed_and_its_biases_and_tables_are_not(optimizer: str) -> None:
    smaller, same = shrunk_by_decay("gpt2", optimizer=optimizer, is_tied=False)
    each = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    assert smaller == {f"transformer.h.{layer}.{name}.weight" for layer in range(2) for name in each}
    assert {"transformer.wte.weight", "transformer.wpe.weight", "lm_head.weight"} <= same
    assert "transformer.h.0.attn.c_attn.bias" in same


def test_the_first_adamw_step_is_the_learning_rate_against_the_gradient() -> None:
    """Adam's first update is gradient / |gradient|, so every entry moves by the rate; norms are not decayed."""
    model = tiny_model()
    mover = Mover(model, TrainTable(), peak=0.01)
    set_gradients(model)
    norm = dict(model.named_parameters())["model.norm.weight"]
    assert norm.grad is not None
    expected = norm.detach() - 0.01 * 0.5 * norm.grad.sign()
    mover.move(0.5)
    assert torch.allclose(norm, expected, atol=1e-6)


def test_muon_leaves_tables_and_norms_to_adamw_at_a_share_of_its_rate() -> None:
    model = tiny_model()
    mover = Mover(model, TrainTable(optimizer="muon"), peak=0.02)
    set_gradients(model)
    norm = dict(model.named_parameters())["model.norm.weight"]
    assert norm.grad is not None
    expected = norm.detach() - 0.02 * MUON_ADAM_SHARE * norm.grad.sign()
    mover.move(1.0)
    assert torch.allclose(norm, expected, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_muon_moves_matrices_by_nearly_orthogonal_steps(family: str) -> None:
    """Momentum's orthogonal factor has singular values near 1 (Jordan 2024: within 0.3 to 1.3)."""
    model = tiny_model(family)
    before = weights_of(model)
    mover = Mover(model, TrainTable(optimizer="muon", weight_decay=0.0), peak=0.02)
    set_gradients(model)
    mover.move(1.0)
    name = (
        "transformer.h.0.attn.c_proj.weight" if family == "gpt2" else "model.layers.0.self_attn.q_proj.weight"
    )
    change = before[name] - dict(model.named_parameters())[name].detach()
    singular = torch.linalg.svdvals(change / 0.02)
    assert float(singular.min()) > 0.3
    assert float(singular.max()) < 1.3


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_moves_nothing(optimizer: str, broken: float) -> None:
    model = tiny_model()
    mover = Mover(model, TrainTable(optimizer=optimizer), peak=0.01)
    set_gradients(model)
    mover.move(1.0)
    weights, moments = weights_of(model), cloned(mover.state())
    set_gradients(model)
    next(model.parameters()).grad.view(-1)[3] = broken
    norm = mover.move(1.0)
    assert not math.isfinite(norm)
    assert all(torch.equal(p, weights[name]) for name, p in model.named_parameters())
    assert all(torch.equal(tensor, moments[name]) for name, tensor in mover.state().items())
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize(("clip", "kept"), [(1.0, 1.0), (2.5, 2.5), (1e6, None), (0.0, None)])
def test_the_global_norm_is_clipped_and_told_as_it_was(clip: float, kept: float | None) -> None:
    """The first moment is 0.1 of the gradient that was used, so its norm shows what the clipping left."""
    model = tiny_model()
    mover = Mover(model, TrainTable(clip=clip), peak=0.0)
    set_gradients(model)
    squares = [p.grad.double().square().sum() for p in model.parameters() if p.grad is not None]
    whole = math.sqrt(sum(map(float, squares)))
    assert whole > 10
    assert mover.move(1.0) == pytest.approx(whole, rel=1e-5)
    moments = [t for name, t in mover.state().items() if name.endswith("exp_avg")]
    used = math.sqrt(sum(float(t.double().square().sum()) for t in moments)) / 0.1
    assert used == pytest.approx(whole if kept is None else kept, rel=1e-4)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("family", ["qwen3", "gpt2"])
def test_a_restored_optimizer_goes_on_bit_for_bit(optimizer: str, family: str) -> None:
    table = TrainTable(optimizer=optimizer)
    model = tiny_model(family)
    mover = Mover(model, table, peak=0.01)
    for step in range(3):
        set_gradients(model, seed=step)
        mover.move(1.0)
    state, weights = cloned(mover.state()), weights_of(model)
    again = tiny_model(family)
    with torch.no_grad():
        for name, parameter in again.named_parameters():
            parameter.copy_(weights[name])
    fresh = Mover(again, table, peak=0.01)
    fresh.restore(cloned(state))
    for name, tensor in fresh.state().items():
        assert torch.equal(tensor, state[name])
    assert fresh.state().keys() == state.keys()
    for one, its_mover in ((model, mover), (again, fresh)):
        set_gradients(one, seed=9)
        its_mover.move(0.7)
    others = dict(again.named_parameters())
    assert all(torch.equal(p, others[name]) for name, p in model.named_parameters())
    assert any(not torch.equal(p, weights[name]) for name, p in model.named_parameters())


def test_without_its_moments_the_next_step_is_another() -> None:
    """Shows that the comparison above can see a state that was not restored."""
    models = [tiny_model() for _ in range(2)]
    mover = Mover(models[0], TrainTable(), peak=0.01)
    set_gradients(models[0])
    mover.move(1.0)
    with torch.no_grad():
        for parameter, trained in zip(models[1].parameters(), models[0].parameters(), strict=True):
            parameter.copy_(trained)
    fresh = Mover(models[1], TrainTable(), peak=0.01)
    for one, its_mover in zip(models, (mover, fresh), strict=True):
        set_gradients(one, seed=1)
        its_mover.move(1.0)
    pairs = zip(models[0].parameters(), models[1].parameters(), strict=True)
    assert not any(torch.equal(one, other) for one, other in pairs)


def test_frozen_parameters_stay_and_have_no_state() -> None:
    model = tiny_model()
    table = model.get_input_embeddings().weight
    table.requires_grad_(requires_grad=False)
    mover = Mover(model, TrainTable(), peak=0.01)
    before = table.clone()
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.ones_like(parameter)
    mover.move(1.0)
    assert torch.equal(table, before)
    kept = [t for name, t in mover.state().items() if name.endswith("exp_avg")]
    assert len(kept) == sum(1 for p in model.parameters() if p.requires_grad)


def cloned(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in tensors.items()}


def test_a_schedule_knows_its_steps() -> None:
    rate = schedule_of(TrainTable(schedule="linear", warmup=2, end=0.5, decay=0.4), 12)
    assert rate == LearningRate(schedule="linear", steps=12, warmup=2, decay=0.4, end=0.5)

"""The checks on the real model: sound ones pass, and each kind of fault is found by the check made for it."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as functional
from torch import Tensor
from transformers import PreTrainedModel

from tests.train.small import FAMILIES, learner_of, row, stock_losses, stock_model, tiny_model, weights_of
from twosignal.model.attention import hidden_states
from twosignal.packs.pack import NO_TARGET, Pack
from twosignal.prove import isolation, losses
from twosignal.prove.isolation import causality, check_isolation, poke
from twosignal.prove.losses import (
    check_losses,
    finite_at_length,
    label_poke,
    packed_against_alone,
    packed_logits,
)
from twosignal.prove.receipt import Check
from twosignal.train.batch import Learner
from twosignal.train.loss import summed_loss

CHECKS = ["P1", "P2", "P3", "P5", "P6"]
States = Callable[[PreTrainedModel, Tensor, Tensor, Sequence[int]], Tensor]


def crowded(*, source: str = "chat") -> Pack:
    """Three conversations of 6, 9 and 4 tokens with 3, 5 and 1 targets."""
    return row(
        ([5, 9, 2, 7, 30, 8], "000111"),
        ([11, 3, 40, 41, 8, 12, 13, 14, 8], "001110011"),
        ([20, 21, 22, 23], "0010"),
        source=source,
    )


def found(learner: Learner, *rows: Pack) -> dict[str, Check]:
    given = rows or [crowded()]
    checks = sorted([*check_isolation(learner, given), *check_losses(learner, given)], key=lambda c: c.id)
    assert [check.id for check in checks] == CHECKS
    return {check.id: check for check in checks}


def kinds(learner: Learner, *rows: Pack) -> dict[str, str | None]:
    """The kind of fault of every check that failed."""
    checks = found(learner, *rows)
    assert all(check.remedy for check in checks.values() if check.passed is False)
    return {name: check.kind for name, check in checks.items() if check.passed is False}


def instead_of_states(patch: pytest.MonkeyPatch, states: States) -> None:
    """Let the checks compute the states of a row in another way."""
    patch.setattr(isolation, "hidden_states", states)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("autocast", [None, torch.bfloat16], ids=["float32", "bfloat16"])
def test_sound_models_pass(family: str, autocast: torch.dtype | None) -> None:
    checks = found(learner_of(tiny_model(family), autocast=autocast))
    assert {name: check.passed for name, check in checks.items()} == dict.fromkeys(CHECKS, True)
    assert checks["P1"].evidence["poked"] == [0, 1, 2]
    assert checks["P1"].evidence["largest_change"] == 0.0 < checks["P1"].evidence["own_change"]
    assert checks["P5"].message == "9 targets, as many losses; each of 3 changed targets moved its own only"
    assert checks["P6"].evidence["largest_change"] == 0.0


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_alone_is_that_of_transformers_own_code(family: str) -> None:
    """Sum over the learned successors of each conversation by itself, in float32."""
    stock, pack = stock_model(family).eval(), crowded()
    at, expected = 0, 0.0
    with torch.no_grad():
        for length in pack.lengths:
            part = slice(at, at + length)
            losses = stock_losses(stock, pack.ids[part].tolist())
            expected += float(losses[torch.from_numpy(pack.targets[part][:-1] != NO_TARGET)].sum())
            at += length
    check = found(learner_of(tiny_model(family)))["P3"]
    assert check.evidence["targets"] == 9
    assert check.evidence["alone"] == pytest.approx(expected, rel=1e-5)
    assert check.evidence["packed"] == pytest.approx(expected, rel=1e-5)
    assert check.evidence["mean"] == pytest.approx(expected / 9, rel=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_attention_that_crosses_borders_is_a_leak(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def merged(model: PreTrainedModel, ids: Tensor, positions: Tensor, lengths: Sequence[int]) -> Tensor:
        return hidden_states(model, ids, positions, [sum(lengths)])

    instead_of_states(monkeypatch, merged)
    learner = learner_of(tiny_model(family))
    assert kinds(learner) == {"P1": "leak", "P2": "leak", "P3": "leak"}
    check = found(learner)["P1"]
    assert re.match(r"changing a\.jsonl:[123] moved its neighbours in the row by ", check.message)
    assert check.evidence["file"] == "a.jsonl"
    assert "rows.packing = false" in check.remedy


def test_the_smallest_leak_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A millionth of the first token reaches the last: no loss would show it, the poke does."""

    def leaking(model: PreTrainedModel, ids: Tensor, positions: Tensor, lengths: Sequence[int]) -> Tensor:
        states = hidden_states(model, ids, positions, lengths)
        return torch.cat([states[:-1], states[-1:] + 1e-6 * states[:1]])

    instead_of_states(monkeypatch, leaking)
    assert kinds(learner_of(tiny_model())) == {"P1": "leak"}


def look_ahead(patch: pytest.MonkeyPatch) -> None:
    """Take the causal order out of our attention."""
    plain = functional.scaled_dot_product_attention

    def both_ways(query: Tensor, key: Tensor, value: Tensor, **options: Any) -> Tensor:
        options["is_causal"] = False
        return plain(query, key, value, **options)

    patch.setattr(functional, "scaled_dot_product_attention", both_ways)


@pytest.mark.parametrize("family", FAMILIES)
def test_attention_that_looks_ahead_is_found(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = learner_of(tiny_model(family))
    look_ahead(monkeypatch)
    assert kinds(learner) == {"P2": "leak", "P3": "leak", "P6": "leak"}


def test_looking_ahead_is_found_when_the_row_ends_in_a_single_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last token of such a row has nothing before it to be seen from."""
    learner = learner_of(tiny_model())
    look_ahead(monkeypatch)
    assert kinds(learner, row(([5, 9, 2, 7, 30, 8], "000111"), ([11], "0")))["P6"] == "leak"


def running_on(model: PreTrainedModel, ids: Tensor, positions: Tensor, lengths: Sequence[int]) -> Tensor:
    return hidden_states(model, ids, torch.arange(len(positions)), lengths)


def all_at_once(model: PreTrainedModel, ids: Tensor, positions: Tensor, lengths: Sequence[int]) -> Tensor:
    return hidden_states(model, ids, torch.zeros_like(positions), lengths)


@pytest.mark.parametrize(
    ("family", "states"), [("gpt2", running_on), ("gpt2", all_at_once), ("llama", all_at_once)]
)
def test_wrong_positions_are_found(family: str, states: States, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rotary positions count only as differences, so for them the wrong ones must differ within a text."""
    instead_of_states(monkeypatch, states)
    assert kinds(learner_of(tiny_model(family))) == {"P2": "leak", "P3": "leak"}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_weights_that_are_not_numbers_have_their_own_word(family: str, broken: float) -> None:
    """Neither no targets nor wrong targets: what the model gives is not finite."""
    learner = learner_of(tiny_model(family))
    with torch.no_grad():
        learner.model.get_input_embeddings().weight[9, 3] = broken
    checks = found(learner)
    assert {check.kind for check in checks.values()} == {"non-finite"}
    assert all(check.passed is False and "not finite" in check.message for check in checks.values())
    assert all("Check the model's weights" in check.remedy for check in checks.values())


def test_queries_that_are_not_numbers_are_found_by_the_models_own_code() -> None:
    """On a CPU, torch's fused attention takes scores that are not numbers for masked ones and gives 0."""
    learner = learner_of(tiny_model("qwen3"))
    with torch.no_grad():
        learner.model.base_model.layers[0].self_attn.q_norm.weight.fill_(math.nan)
    assert kinds(learner)["P3"] == "non-finite"


def test_a_head_that_mixes_positions_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def mixed(*arguments: Any) -> tuple[Tensor, Tensor]:
        total, each = summed_loss(*arguments)
        return total, 0.9 * each + 0.1 * each.mean()

    monkeypatch.setattr(losses, "summed_loss", mixed)
    learner = learner_of(tiny_model())
    assert kinds(learner) == {"P5": "wrong-targets"}
    assert found(learner)["P5"].message == "one changed target moved 9 of 9 losses"


def test_a_loss_that_does_not_look_at_the_targets_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(hidden: Tensor, head: Any, targets: Tensor) -> tuple[Tensor, Tensor]:
        return summed_loss(hidden, head, torch.zeros_like(targets))

    monkeypatch.setattr(losses, "summed_loss", blind)
    assert kinds(learner_of(tiny_model())) == {"P3": "leak", "P5": "wrong-targets"}


def test_a_loss_that_is_missing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*arguments: Any) -> tuple[Tensor, Tensor]:
        total, each = summed_loss(*arguments)
        return total, each[:-1]

    monkeypatch.setattr(losses, "summed_loss", short)
    assert kinds(learner_of(tiny_model())) == {"P3": "leak", "P5": "wrong-targets"}


def test_one_bad_row_among_good_ones_counts() -> None:
    learner = learner_of(tiny_model())
    books = replace(crowded(source="books"), positions=crowded().positions[::-1].copy())
    assert kinds(learner, crowded(), crowded()) == {}
    assert kinds(learner, crowded(), books) == {"P2": "leak", "P3": "leak"}
    check = found(learner, crowded(), books)["P3"]
    assert check.evidence["source"] == "books"


def test_what_cannot_be_asked_of_a_row_is_not_applicable() -> None:
    learner = learner_of(tiny_model())
    with torch.no_grad():
        assert poke(learner, row(([5, 9, 2], "011"))).passed is None
        assert label_poke(learner, row(([5, 9, 2], "000"))).passed is None
        assert causality(learner, row(([5], "0"), ([9], "0"))).passed is None
        assert packed_logits(learner, row(([5, 9, 2], "011"))).passed is None
        without = packed_against_alone(learner, row(([5, 9, 2], "000"), ([3, 4], "00")))
    assert (without.passed, without.evidence["targets"]) == (True, 0)


@pytest.mark.parametrize("poked", [0, 1, 2])
def test_a_leak_between_any_two_neighbours_is_found(poked: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later conversation may leak into an earlier one, and a middle one into both: one poke would not do."""
    first, other = [0, 6, 15][poked], [18, 0, 0][poked]

    def leaking(model: PreTrainedModel, ids: Tensor, positions: Tensor, lengths: Sequence[int]) -> Tensor:
        states = hidden_states(model, ids, positions, lengths).clone()
        states[other] += 1e-3 * states[first]
        return states

    instead_of_states(monkeypatch, leaking)
    assert kinds(learner_of(tiny_model()))["P1"] == "leak"


def test_a_model_that_reads_nothing_is_not_called_isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is exchanged, its states stay: that proves nothing about neighbours."""

    def deaf(model: PreTrainedModel, ids: Tensor, positions: Tensor, lengths: Sequence[int]) -> Tensor:
        return hidden_states(model, torch.zeros_like(ids), positions, lengths)

    instead_of_states(monkeypatch, deaf)
    learner = learner_of(tiny_model())
    with torch.no_grad():
        assert poke(learner, crowded()).passed is None


def test_states_that_overflow_at_full_length_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = learner_of(tiny_model())
    assert finite_at_length(learner, crowded()).passed

    def overflowing(model: PreTrainedModel, ids: Tensor, positions: Tensor, lengths: Sequence[int]) -> Tensor:
        return hidden_states(model, ids, positions, lengths) * (math.inf if len(ids) > 12 else 1.0)

    instead_of_states(monkeypatch, overflowing)
    check = finite_at_length(learner, crowded())
    assert (check.id, check.passed, check.kind) == ("P3", False, "non-finite")
    assert finite_at_length(learner, row(([5, 9, 2, 7], "0111"))).passed


def test_a_piece_of_a_split_text_is_compared_as_the_piece_it_is() -> None:
    """Its last token still has its true successor as target, though that is in another row."""
    piece = replace(crowded(), targets=crowded().targets.copy())
    piece.targets[5] = 33
    checks = found(learner_of(tiny_model("gpt2")), piece)
    assert all(check.passed for check in checks.values())
    assert checks["P3"].evidence["targets"] == 10


@pytest.mark.parametrize("is_failing", [True, False])
def test_the_model_is_left_as_it_was(is_failing: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = learner_of(tiny_model("gpt2"))
    learner.model.train()
    learner.model.base_model.h[0].eval()
    before, modes = weights_of(learner.model), [m.training for m in learner.model.modules()]
    if is_failing:

        def fail(*_: object) -> Tensor:
            raise MemoryError

        monkeypatch.setattr(losses, "_stock_loss", fail)
        with pytest.raises(MemoryError):
            check_losses(learner, [crowded()])
    else:
        found(learner)
    assert [m.training for m in learner.model.modules()] == modes
    assert learner.model.config._attn_implementation == "twosignal"
    assert all(torch.equal(weight, before[n]) for n, weight in weights_of(learner.model).items())
    assert torch.is_grad_enabled()


def test_rounding_that_turns_a_tie_of_experts_is_no_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    """In bfloat16 one place of many goes to another expert; float32 says that nothing leaks. A leak shows in both."""
    learner = replace(learner_of(tiny_model()), autocast=torch.bfloat16)
    stock = losses._stock_logits

    def tied(one: Learner, ids: Any, *, always: bool = False) -> Tensor:
        logits = stock(one, ids).clone()
        if len(ids) == 9 and (always or one.autocast is not None):
            logits[4] += 5.0
        return logits

    monkeypatch.setattr(losses, "_stock_logits", tied)
    with torch.no_grad():
        check = packed_logits(learner, crowded())
        assert (check.passed, check.evidence["places_beyond"]) == (True, 1)
        assert "1 of 19 places differ by rounding in torch.bfloat16" in check.message
        assert packed_logits(replace(learner, autocast=None), crowded()).passed
        monkeypatch.setattr(losses, "_stock_logits", lambda one, ids: tied(one, ids, always=True))
        assert packed_logits(learner, crowded()).kind == "leak"

"""The whole proof: every check in its order, on rows that have neighbours, and nothing changed by it."""

from pathlib import Path

import torch

from tests.packs.conftest import example
from tests.train.small import small_setup, weights_of, write_chats
from twosignal.packs.pack import NO_TARGET, lay_row
from twosignal.prove.proof import model_rows, prove, shortened

ALL = [*(f"S{n}" for n in range(1, 10)), *(f"P{n}" for n in range(1, 7))]


def test_a_sound_run_passes_every_check(tmp_path: Path) -> None:
    setup = small_setup(tmp_path)
    receipt = prove(setup)
    assert [check.id for check in receipt.checks] == ALL
    assert [check.passed for check in receipt.checks] == [True] * len(ALL)
    assert receipt.passed
    assert receipt.steps == 4
    assert receipt.seconds > 0
    assert receipt.as_dict()["targets"] == setup.sources["chat"].ledger.targets_kept


def test_the_proof_changes_nothing(tmp_path: Path) -> None:
    setup = small_setup(tmp_path)
    before, random_state = weights_of(setup.learner.model), torch.get_rng_state()
    training = [module.training for module in setup.learner.model.modules()]
    mix = setup.curriculum.state()
    prove(setup)
    assert all(torch.equal(weight, before[n]) for n, weight in weights_of(setup.learner.model).items())
    assert [module.training for module in setup.learner.model.modules()] == training
    assert setup.sources["chat"].stream.cursor == {"epoch": 0, "row": 0}
    assert setup.curriculum.state() == mix
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(p.grad is None for p in setup.learner.model.parameters())


def test_the_same_inputs_give_the_same_receipt(tmp_path: Path) -> None:
    first, second = (prove(small_setup(tmp_path)).as_dict(clock=False) for _ in range(2))
    assert first == second


def test_model_checks_run_on_a_crowded_row_of_each_source(tmp_path: Path) -> None:
    """One source has only rows of one conversation, which is all that can be had of it; the fullest row comes last."""
    names = ("one", "two", "three", "four", "five")
    for name in names:
        size = 40 if name == "two" else 2
        chats = [[("user", "q"), ("assistant", f"{n}" * size)] for n in range(9)]
        write_chats(tmp_path / f"{name}.jsonl", *chats)
    sources = {name: {"path": f"{name}.jsonl", "held_out": 0.0} for name in names}
    sources["one"]["path"] = "one.jsonl"
    setup = small_setup(tmp_path, sources={"chat": {"path": "chat.jsonl"}, **sources})
    rows = model_rows(setup)
    seen = {row.source: len(row.segments) for row in rows}
    assert list(seen) == ["chat", "one", "two"]
    assert [row.source for row in rows][:3] == ["chat", "one", "two"]
    assert seen["two"] == 1
    assert min(count for name, count in seen.items() if name != "two") > 1


def test_without_packing_there_are_no_neighbours_to_see(tmp_path: Path) -> None:
    receipt = prove(small_setup(tmp_path, rows={"packing": False}))
    passed = {check.id: check.passed for check in receipt.checks}
    assert passed["P1"] is None
    assert receipt.passed


def test_a_long_row_is_shortened_and_keeps_two_segments() -> None:
    _ = NO_TARGET
    first, second = example([10, 11, 12, 13, 14, 15], "011111"), example([20, 21, 22, 23], "0111")
    row = lay_row("chat", [(0, 0, 6, first), (1, 0, 4, second)])
    assert list(shortened(row, 100).ids) == list(row.ids)
    short = shortened(row, 6)
    assert list(short.ids) == [10, 11, 12, 20, 21, 22]
    assert list(short.targets) == [11, 12, 13, 21, 22, 23]
    assert list(short.positions) == [0, 1, 2, 0, 1, 2]
    assert short.lengths == [3, 3]


def test_a_segment_that_begins_with_a_long_unlearned_text_keeps_targets() -> None:
    """As under gpt-oss's system text of 200 tokens: P4 and P5 would have nothing to ask."""
    first, second = example(range(20), "0" * 16 + "1111"), example([20, 21, 22, 23], "0111")
    row = lay_row("chat", [(0, 0, 20, first), (1, 0, 4, second)])
    short = shortened(row, 8)
    assert short.lengths == [4, 4]
    assert list(short.ids) == [13, 14, 15, 16, 20, 21, 22, 23]
    assert list(short.targets) == [NO_TARGET, NO_TARGET, 16, 17, 21, 22, 23, NO_TARGET]
    assert list(short.positions) == [0, 1, 2, 3, 0, 1, 2, 3]
    assert [segment.start for segment in short.segments] == [13, 0]

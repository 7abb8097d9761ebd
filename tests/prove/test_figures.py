"""The facts of a receipt, by hand: the way from records to steps, copies, and the weight of long answers."""

from pathlib import Path

from tests.prove.test_rows import LONG, chats_setup
from tests.train.small import small_setup
from twosignal.prove.figures import (
    answer_weights,
    drawn_examples,
    exact_copies,
    facts_of,
    fewest_rows,
    flow,
    per_step,
)


def test_every_stage_is_told_with_what_it_leaves_out(tmp_path: Path) -> None:
    """Five records: one without an answer, one too long for a row of 64 bytes, three of 3 targets."""
    chats = [[("user", "hi"), ("assistant", "no")] for _ in range(3)]
    setup = chats_setup(
        tmp_path,
        *chats,
        [("user", "alone")],
        [("user", LONG), ("assistant", "never")],
        rows={"tokens": 64, "too_long": "drop"},
    )
    records, examples, pieces, rows = flow(setup.sources["chat"], 64)
    assert (records["stage"], records["out"]) == ("records", 5)
    assert (examples["out"], examples["targets"], examples["left_out"]) == (
        4,
        15,
        {"held out": 0, "nothing to learn": 1},
    )
    assert (pieces["out"], pieces["targets"], pieces["dropped"]) == (3, 9, 1)
    assert pieces["left_out"] == {"conversation longer than a row, dropped": 6}
    assert (rows["out"], rows["fewest_possible"]) == (1, 1)


def test_rows_that_cannot_be_fewer_are_known(tmp_path: Path) -> None:
    """Every conversation is longer than half a row: none shares one, though rows stay half empty."""
    chats = [[("user", "q" * 20), ("assistant", f"{n}" * 10)] for n in range(5)]
    setup = chats_setup(tmp_path, *chats, rows={"tokens": 64})
    assert fewest_rows(setup.sources["chat"], 64) == 5 == setup.sources["chat"].ledger.rows


def test_steps_are_counted_packed_and_unpacked(tmp_path: Path) -> None:
    """23 examples in 9 rows, two rows to a step."""
    found = per_step(small_setup(tmp_path))
    assert found["steps_of_an_epoch_packed"] == 5
    assert found["steps_of_an_epoch_unpacked"] == 12
    assert found["examples"] == round(2 * 23 / 9, 1)
    assert found["targets"] == round(2 * 182 / 9, 1)


def test_copies_and_long_answers_are_weighed(tmp_path: Path) -> None:
    """Ten answers of 2 targets and one of 10, of which three are the same conversation."""
    chats = [[("user", "hi"), ("assistant", "a" if n < 3 else chr(98 + n))] for n in range(10)]
    setup = chats_setup(tmp_path, *chats, [("user", "hi"), ("assistant", "nine char")])
    source = setup.sources["chat"]
    assert exact_copies(source) == 2
    assert answer_weights(source) == {
        "median_targets": 2.0,
        "most_targets": 10,
        "share_of_the_longest_tenth": round(10 / 30, 4),
        "exact_copies": 2,
    }


def test_examples_are_drawn_with_their_place(tmp_path: Path) -> None:
    setup = small_setup(tmp_path)
    first, last = drawn_examples(setup.sources["chat"], setup.tokenizer)
    assert (first["file"], first["line"], first["targets"]) == ("chat.jsonl", 1, 2)
    assert first["text"] == "<|bos|><|user|>what is 0?<|end|><|assistant|>[[0<|end|>]]"
    assert last["line"] == 23


def test_the_facts_of_a_run_are_those_of_its_run_file(tmp_path: Path) -> None:
    """Epochs settle to steps: both name the same run."""
    by_epochs = facts_of(small_setup(tmp_path, run={"name": "small", "epochs": 1}))
    by_steps = facts_of(small_setup(tmp_path, run={"name": "small", "steps": 5}))
    assert by_epochs["config"] == by_steps["config"]
    assert by_epochs["config"] != facts_of(small_setup(tmp_path, run={"name": "small", "steps": 6}))["config"]
    assert by_steps["attention"]["way"] == "isolated"
    assert (by_steps["device"], by_steps["precision"]) == ("cpu", "float32")

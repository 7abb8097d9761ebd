"""The receipt on screen: totals, causes and remedies, whatever the texts look like."""

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from tests.prove.test_receipt import BAD, GOOD, OPEN, ledger
from tests.train.small import small_setup
from twosignal.prove.proof import prove
from twosignal.prove.receipt import Check, Receipt
from twosignal.prove.show import show_receipt


def shown(receipt: Receipt) -> str:
    screen = io.StringIO()
    show_receipt(receipt, Console(file=screen, width=160))
    return screen.getvalue()


def test_totals_and_what_was_left_out_are_shown() -> None:
    text = shown(Receipt(checks=(GOOD, BAD, OPEN), ledgers=(ledger(),), steps=1, seconds=0.0))
    row = next(line for line in text.splitlines() if line.startswith("chat "))
    assert row.split() == ["chat", "12", "9", "500", "180", "20", "1", "6", "90.0%"]
    assert "chat: 1 malformed records were skipped, first a.jsonl:3: no messages" in text
    assert "chat: 1 records have nothing to learn and were left out" in text
    assert "chat: 20 targets lost: dropped" in text
    marks = {line.split()[0]: line.split()[1] for line in text.splitlines() if line[:2] in ("S5", "P1", "S8")}
    assert marks == {"S5": "pass", "P1": "fail", "S8": "n/a"}
    assert "Use another model." in text


def test_nothing_lost_is_not_spoken_of() -> None:
    sound = ledger(bad=0, without_targets=0, targets_lost={})
    text = shown(Receipt(checks=(GOOD,), ledgers=(sound,), steps=1, seconds=0.0))
    assert "skipped" not in text
    assert "left out" not in text


def test_texts_in_brackets_are_shown_as_they_are() -> None:
    """A template's own tokens look like the console's markup."""
    check = Check(
        id="S8",
        name="ends [/x]",
        passed=False,
        kind="wrong-targets",
        message="a learned turn ends with '[/INST]'",
        remedy="Look at [INST].",
    )
    odd = ledger(source="[/bold]", first_bad="[/a.jsonl]:3", targets_lost={"[/cut]": 2})
    text = shown(Receipt(checks=(check,), ledgers=(odd,), steps=1, seconds=0.0))
    for part in ("ends [/x]", "'[/INST]'", "Look at [INST].", "[/bold]", "[/a.jsonl]:3", "[/cut]"):
        assert part in text


def test_a_fault_is_shown_with_its_text_and_the_cost_of_the_proof() -> None:
    drawn = replace(BAD, evidence={"text": "<user>hi[[ learned ]]"})
    text = shown(Receipt(checks=(GOOD, drawn), ledgers=(), steps=1, seconds=6.2, run_seconds=1000.0))
    assert "<user>hi[[ learned ]]" in text
    assert text.rstrip().endswith("proof: 6.2 s, about 0.62% of the planned run")


def test_what_a_run_is_made_of_is_told_in_sentences(tmp_path: Path) -> None:
    """Without packing 23 rows are laid where 9 might do."""
    text = shown(prove(small_setup(tmp_path, rows={"packing": False})))
    assert "a step: 2 rows, 2 examples, 16 targets; an epoch: 12 steps packed, 12 with one example" in text
    assert "chat: 23 rows, where 9 might do" in text
    assert "attention: packed rows run as one sequence" in text
    assert "nats per target" in text

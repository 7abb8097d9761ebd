"""The receipt's fields are a contract, and its refusal is one sentence with exit code 4."""

import json
from dataclasses import replace
from typing import Any

import pytest

from twosignal.errors import RefusedError
from twosignal.packs.prepare import Ledger
from twosignal.prove.page import receipt_page
from twosignal.prove.receipt import Check, Receipt, combined, merged, not_applicable, worst

GOOD = Check(id="S5", name="packing", passed=True, message="fine", evidence={"rows": 3})
BAD = Check(
    id="P1",
    name="neighbours",
    passed=False,
    kind="leak",
    message="changing a.jsonl:1 moved its neighbours",
    remedy="Use another model.",
)
WORSE = Check(id="P3", name="loss", passed=False, kind="non-finite", message="not finite", remedy="Look.")
OPEN = not_applicable("S8", "ends", "no token ends a turn")


def ledger(**values: Any) -> Ledger:
    whole: dict[str, Any] = {
        "source": "chat",
        "records": 12,
        "bad": 1,
        "first_bad": "a.jsonl:3: no messages",
        "without_targets": 1,
        "conversations": 9,
        "documents": 0,
        "held_out": 1,
        "tokens": 500,
        "targets": 200,
        "tokens_lost": 40,
        "targets_lost": {"dropped": 20},
        "rows": 6,
        "fill": 0.9,
    }
    return Ledger(**{**whole, **values})


def receipt(*checks: Check) -> Receipt:
    books = ledger(
        source="books",
        conversations=0,
        documents=4,
        tokens=100,
        targets=96,
        targets_lost={"dropped": 1, "cut": 5},
        rows=2,
        fill=0.5,
    )
    return Receipt(checks=checks, ledgers=(ledger(), books), steps=40, seconds=1.23456)


def test_a_fault_without_a_kind_is_told_without_one() -> None:
    """As where a trainer's own code fails: there is no name for what it does."""
    broken = replace(BAD, kind=None)
    with pytest.raises(RefusedError, match="P1 neighbours: changing a.jsonl:1") as caught:
        receipt(broken).raise_if_refused()
    assert "None" not in str(caught.value)
    assert "None" not in receipt_page(receipt(broken).as_dict(), title="run")


def test_totals_are_those_of_all_sources() -> None:
    """Fill is weighted by rows: (6 x 0.9 + 2 x 0.5) / 8."""
    whole = receipt(GOOD, OPEN).as_dict()
    del whole["checks"], whole["sources"]
    assert whole == {
        "passed": True,
        "conversations": 9,
        "documents": 4,
        "tokens": 600,
        "targets": 180 + 90,
        "targets_lost": {"dropped": 21, "cut": 5},
        "rows": 8,
        "fill": pytest.approx(0.8),
        "steps": 40,
        "predicted_loss": None,
        "seconds": 1.235,
        "share_of_run": None,
    }


def test_every_check_has_the_fields_of_the_contract() -> None:
    checks = receipt(GOOD, BAD, OPEN).as_dict()["checks"]
    assert [(c["id"], c["passed"], c["kind"]) for c in checks] == [
        ("S5", True, None),
        ("P1", False, "leak"),
        ("S8", None, None),
    ]
    assert all({"id", "passed", "kind", "message", "evidence", "remedy"} <= check.keys() for check in checks)
    assert checks[0]["evidence"] == {"rows": 3}
    assert checks[1]["remedy"] == "Use another model."
    assert checks[2]["message"] == "no token ends a turn"


def test_it_is_plain_json_and_every_source_is_in_it() -> None:
    whole = json.loads(json.dumps(receipt(GOOD).as_dict()))
    assert [source["source"] for source in whole["sources"]] == ["chat", "books"]
    assert whole["sources"][0]["first_bad"] == "a.jsonl:3: no messages"


def test_without_the_clock_nothing_depends_on_the_moment() -> None:
    first = receipt(GOOD)
    second = Receipt(checks=first.checks, ledgers=first.ledgers, steps=first.steps, seconds=99.0)
    assert first.as_dict(clock=False) == second.as_dict(clock=False)
    assert "seconds" not in first.as_dict(clock=False)


def test_no_rows_have_no_fill() -> None:
    empty = Receipt(checks=(), ledgers=(ledger(rows=0, fill=0.0),), steps=1, seconds=0.0)
    assert empty.as_dict()["fill"] == 0.0


def test_a_check_that_does_not_apply_is_no_failure() -> None:
    found = receipt(GOOD, OPEN)
    assert found.passed
    assert found.failures == ()
    found.raise_if_refused()


def test_a_refusal_names_every_fault_and_the_first_remedy() -> None:
    found = receipt(GOOD, BAD, OPEN, WORSE)
    assert not found.passed
    assert found.failures == (BAD, WORSE)
    with pytest.raises(RefusedError) as error:
        found.raise_if_refused()
    assert error.value.exit_code == 4
    assert str(error.value) == (
        "the proof refuses to start: P1 neighbours (leak): changing a.jsonl:1 moved its neighbours; "
        "P3 loss (non-finite): not finite. Use another model."
    )


def test_the_cost_is_a_sentence() -> None:
    """6.2 seconds of 1,000 are 0.62%."""
    bare = Receipt(checks=(), ledgers=(), steps=1, seconds=6.2)
    assert bare.cost == "proof: 6.2 s"
    assert replace(bare, run_seconds=1000.0).cost == "proof: 6.2 s, about 0.62% of the planned run"
    assert replace(bare, run_seconds=3.0).cost == "proof: 6.2 s, longer than the planned run"
    assert replace(bare, run_seconds=1000.0).as_dict()["share_of_run"] == pytest.approx(0.0062)
    assert "share_of_run" not in replace(bare, run_seconds=1000.0).as_dict(clock=False)


def test_what_is_known_of_the_run_stands_beside_the_totals() -> None:
    measured = replace(GOOD, id="P3", evidence={"mean": 5.5}, seconds=0.25)
    found = Receipt(checks=(measured,), ledgers=(), steps=1, seconds=0.0, facts={"template": "ab"})
    assert (found.as_dict()["template"], found.as_dict()["predicted_loss"]) == ("ab", 5.5)
    assert found.as_dict()["checks"][0]["seconds"] == 0.25
    assert "seconds" not in found.as_dict(clock=False)["checks"][0]


def test_the_parts_of_a_check_are_one_answer() -> None:
    other = replace(GOOD, message="good", evidence={"pieces": 4})
    whole = combined([GOOD, OPEN, other])
    assert (whole.message, whole.evidence) == ("fine; good", {"rows": 3, "pieces": 4})
    assert combined([GOOD, BAD]) is BAD
    assert combined([OPEN, GOOD]) is GOOD


def test_the_answers_of_several_sources_are_one() -> None:
    whole = merged({"chat": GOOD, "books": OPEN, "more": GOOD})
    assert whole.message == "chat: fine; more: fine"
    assert whole.evidence == {"chat": {"rows": 3}, "more": {"rows": 3}}
    assert merged({"chat": GOOD, "books": BAD}) is BAD
    assert merged({"chat": GOOD}) is GOOD


def test_the_worst_of_several_answers_counts() -> None:
    assert worst([OPEN, GOOD]) is GOOD
    assert worst([GOOD, BAD, OPEN, WORSE]) is BAD
    assert worst([OPEN]) is OPEN

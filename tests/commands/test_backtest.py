"""`twosignal backtest` on a file of samples and on a run, in words, as JSON and from Python."""

import json
from pathlib import Path

import pytest

import twosignal
from tests.audits.conftest import HEALTHY
from tests.end_to_end.toy import Toy
from twosignal.cli import main


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Twenty sound texts, then loops; a loss and a time with each, a minute apart."""
    texts = [HEALTHY[number % 6] for number in range(20)] + ["region " * 140] * 10
    lines = [
        json.dumps({"step": 100 * number, "text": text, "loss": 3.0, "time": 60.0 * number})
        for number, text in enumerate(texts, start=1)
    ]
    path = tmp_path / "samples.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_the_contract_of_the_json(samples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backtest", str(samples), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["samples"], told["first_step"], told["last_step"]) == (30, 100, 3_000)
    assert list(told["rules"]) == ["default", "andrea", "all-four"]
    for rule in told["rules"].values():
        assert (rule["fired_at"], rule["steps_saved"], rule["flagged"]) == (2_500, 500, 10)
        assert rule["hours_saved"] == round(5 / 60, 2)
    assert told["diagnosis"] == []


def test_only_the_rules_asked_for_stand_in_the_table(
    samples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backtest", str(samples), "--rule", "andrea", "--rule", "default"]) == 0
    out = capsys.readouterr().out
    assert "30 samples, steps 100 to 3,000" in out
    assert "2,500" in out
    assert "all-four" not in out
    assert "andrea: 5 of the last 5 samples are strikes at step 2,500" in out


def test_a_run_is_replayed_from_its_records(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backtest", str(toy.path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rules"]["default"]["fired_at"] is None
    assert told["rules"]["default"]["hours_saved"] == 0
    assert told["last_step"] == 40


def test_python_says_the_same(samples: Path) -> None:
    result = twosignal.backtest(samples, rules=["andrea"])
    assert [(one.name, one.fired_at) for one in result.rules] == [("andrea", 2_500)]
    assert twosignal.backtest(samples, rules="andrea").as_dict() == result.as_dict()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["absent.jsonl"], "absent.jsonl: cannot be read"),
        (["absent"], "there is no run absent"),
        (["absent.jsonl", "--rule", "xyz"], "there is no such rule"),
    ],
)
def test_what_cannot_be_replayed_is_told(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backtest", *arguments]) == 2
    assert complaint in capsys.readouterr().err

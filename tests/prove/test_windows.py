"""S1 at several windows: a cut that ends within a turn, or doubles targets, is found."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.prove.test_rows import chats_setup
from twosignal.packs.cut import cut
from twosignal.prove import windows
from twosignal.prove.sample import Sample
from twosignal.prove.windows import check_windows

CHATS = [
    [("user", f"question {n}"), ("assistant", "first answer"), ("user", "more"), ("assistant", f"second {n}")]
    for n in range(6)
]


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    setup = chats_setup(tmp_path, *CHATS, rows={"tokens": 64})
    return Sample(setup.config, setup.sources["chat"], setup.tokenizer, folder=tmp_path)


def test_our_own_cutting_passes(sample: Sample) -> None:
    check = check_windows([sample])
    assert (check.id, check.passed) == ("S1", True)
    assert check.evidence["pieces"] > 30


def test_a_cut_within_a_turn_is_found(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    """A truncated answer whose end is forged, or just left off, teaches to stop there."""

    def blunt(*arguments: Any, **options: Any) -> Any:
        cutting = cut(*arguments, **options)
        if options["too_long"] == "cut-turns":
            cutting.pieces["length"][cutting.pieces["length"] > 3] -= 3
        return cutting

    monkeypatch.setattr(windows, "cut", blunt)
    check = check_windows([sample])
    assert (check.passed, check.kind) == (False, "wrong-targets")
    assert "by cut-turns: " in check.message


def test_targets_that_are_not_accounted_for_are_found(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*arguments: Any, **options: Any) -> Any:
        return replace(cut(*arguments, **options), targets_lost={})

    monkeypatch.setattr(windows, "cut", silent)
    check = check_windows([sample])
    assert (check.passed, check.kind) == (False, "wrong-targets")
    assert "targets kept and 0 lost are not" in check.message


def test_without_conversations_there_is_nothing_to_cut() -> None:
    assert check_windows([]).passed is None

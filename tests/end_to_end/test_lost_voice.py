"""The first story as a stranger runs it: the faults, their logs, the proof's words, and two runs with the same loss."""

import re
from pathlib import Path

import pytest

from tests.end_to_end.stranger import played

FIGURES = re.compile(r"step (\d)   loss (\S+)   grad_norm (\S+)   entropy (\S+)   mean_token_accuracy (\S+)")
SUMS = re.compile(r"^ +(\d) +([\d,]+) +([\d,]+) +([\d.]+) +([\d.]+) +(\S+)$", re.MULTILINE)


@pytest.mark.slow
def test_the_story_is_what_it_says(tmp_path: Path) -> None:
    told = played("lost_voice.py", tmp_path, timeout=300)
    opening, first, second, third, fourth = re.split(r"^ACT \d", told, flags=re.MULTILINE)
    assert opening == ""
    assert "NaN" in first
    check_logs(second)
    check_words(third)
    check_sums(fourth)


def check_logs(act: str) -> None:
    """A loss of dozens, then 0, entropy nan; and beside it a log that looks healthy."""
    lines = FIGURES.findall(act)
    assert [line[0] for line in lines] == ["1", "2", "3"] * 2
    broken, silent = lines[:3], lines[3:]
    assert 30 < float(broken[0][1]) < 75
    assert [line[1] for line in broken[1:]] == ["0", "0"]
    assert all(line[2:4] == ("nan", "nan") for line in broken)
    assert all(3 < float(line[1]) < 7 for line in silent)


def check_words(act: str) -> None:
    """The proof and the callback call the one non-finite and the other wrong targets."""
    receipts, halts = act.split("And had they been started")
    broken, silent = receipts.split("  b) refused")
    assert "  a) refused" in broken
    assert "non-finite:" in broken
    assert "wrong-targets: assistant_only_loss is on, but all" in silent
    assert "non-finite" not in silent
    assert halts.count("stopped at step 1, before a weight moved") == 2
    assert "non-finite: the loss is not a finite number at step 1 in micro-batches" in halts
    assert "wrong targets at step 1: only answers are to be learned" in halts


def check_sums(act: str) -> None:
    """Four steps, each with the same targets and the same summed loss, packed and unpacked."""
    lines = SUMS.findall(act)
    assert [line[0] for line in lines] == ["1", "2", "3", "4"]
    for _, packed, unpacked, packed_sum, unpacked_sum, apart in lines:
        assert packed == unpacked
        assert float(packed_sum) == pytest.approx(float(unpacked_sum), rel=1e-6)
        assert float(apart) < 1e-6
    sums = [float(line[3]) for line in lines]
    assert sums == sorted(sums, reverse=True)

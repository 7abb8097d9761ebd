"""Tests of the held-out loss by source."""

import math

import pytest

from twosignal.audits.progress import progress_findings, source_progress
from twosignal.audits.recorded import Probe, read_probe


def probe(step: int, **losses: float) -> Probe:
    sources = {name: {"loss": loss, "targets": 10, "bytes": 40} for name, loss in losses.items()}
    return read_probe(step, {"loss": 1.0, "by_source": sources})


def test_first_lowest_and_last_of_each_source() -> None:
    chat, books = source_progress([probe(1, chat=8.0), probe(2, chat=2.0, books=5.0), probe(3, chat=2.5)])
    assert (chat.source, chat.first, chat.lowest, chat.last) == ("chat", 8.0, 2.0, 2.5)
    assert (chat.first_step, chat.lowest_step, chat.last_step) == (1, 2, 3)
    assert chat.bits_per_byte == pytest.approx(2.5 * 10 / 40 / math.log(2))
    assert (books.first_step, books.last_step) == (2, 2)


def test_a_loss_that_rose_by_a_tenth_from_its_lowest_is_a_warning() -> None:
    (finding,) = progress_findings(source_progress([probe(1, chat=2.0), probe(2, chat=2.21)]))
    assert (finding.id, finding.severity, finding.steps) == ("source-rising", "warning", (1, 2))
    assert "of chat went from 2.000 at step 1 to 2.210 at step 2" in finding.message
    assert progress_findings(source_progress([probe(1, chat=2.0), probe(2, chat=2.19)])) == ()


def test_a_small_loss_needs_a_tenth_of_a_nat_to_count_as_risen() -> None:
    assert progress_findings(source_progress([probe(1, chat=0.3), probe(2, chat=0.39)])) == ()


def test_a_loss_that_is_no_longer_finite_has_risen() -> None:
    (finding,) = progress_findings(source_progress([probe(1, chat=2.0), probe(2, chat=math.nan)]))
    assert "to nan at step 2" in finding.message

"""Tests of reading samples and probes from event bodies."""

import math

import pytest

from twosignal.audits.recorded import newest_telling, read_probe, read_sample
from twosignal.errors import RunError


def test_a_full_body_is_read_field_by_field() -> None:
    sample = read_sample(
        300,
        {
            "prompt": "p",
            "text": "t",
            "loss": 1.5,
            "tokens": 7,
            "source": "chat",
            "domain": "sea",
            "scores": {"total": 1},
            "tier": "x",
            "action": "ACCEPT",
        },
    )
    assert (sample.step, sample.prompt, sample.text, sample.loss) == (300, "p", "t", 1.5)
    assert (sample.tokens, sample.source, sample.domain) == (7, "chat", "sea")


def test_only_the_text_is_required_and_the_domain_falls_back_to_the_source() -> None:
    assert read_sample(1, {"text": ""}).loss is None
    assert read_sample(1, {"text": "", "source": "books"}).domain == "books"


@pytest.mark.parametrize("loss", [None, math.nan, "nan"])
def test_a_loss_that_was_not_finite_is_nan_and_not_missing(loss: object) -> None:
    sample = read_sample(1, {"text": "t", "loss": loss})
    assert sample.loss is not None
    assert math.isnan(sample.loss)


def test_a_sample_without_text_is_an_error_that_names_the_step() -> None:
    with pytest.raises(RunError, match=r"sample at step 1,200: .* without its text"):
        read_sample(1_200, {"prompt": "p"})


def test_a_loss_that_is_no_number_is_an_error_that_names_the_field() -> None:
    with pytest.raises(RunError, match=r"sample at step 5, loss: .*found 'low'"):
        read_sample(5, {"text": "t", "loss": "low"})


def test_a_probe_gives_bits_per_byte() -> None:
    probe = read_probe(100, {"loss": 2.0, "by_source": {"chat": {"loss": 2.0, "targets": 10, "bytes": 40}}})
    # 20 nats over 40 bytes are 0.5 nats per byte.
    assert probe.by_source["chat"].bits_per_byte == pytest.approx(0.5 / math.log(2))
    bare = read_probe(100, {"loss": 2.0, "by_source": {"chat": {"loss": 2.0, "targets": 10}}})
    assert bare.by_source["chat"].bits_per_byte is None


def test_a_probe_of_the_wrong_shape_is_an_error_that_names_the_step() -> None:
    with pytest.raises(RunError, match="probe at step 9"):
        read_probe(9, {"loss": 1.0, "by_source": {"chat": 2.0}})


def test_a_later_attempt_replaces_what_it_tells_anew() -> None:
    told = [(100, "a"), (100, "b"), (200, "old"), (300, "old"), (200, "new"), (300, "new")]
    kept = newest_telling(read_sample(step, {"text": text}) for step, text in told)
    assert [(sample.step, sample.text) for sample in kept] == [
        (100, "a"),
        (100, "b"),
        (200, "new"),
        (300, "new"),
    ]

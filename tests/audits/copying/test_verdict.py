"""The table of verdicts, row by row, with ratios and lengths worked out by hand."""

import math

import pytest

from twosignal.audits.copying.verdict import decide, says_something, zlib_ratio


@pytest.mark.parametrize(
    ("ratio", "tokens", "size", "loss", "verdict"),
    [
        (4.0, 0, 0, None, "repetitive"),
        (9.0, 500, 2000, 0.1, "repetitive"),
        (3.99, 50, 200, 0.1, "memorized"),
        (1.6, 50, 100, 3.0, "memorized"),
        (1.6, 50, 100, None, "memorized"),
        (1.6, 50, 99, 0.1, "suspect"),
        (1.6, 49, 300, 0.1, "suspect"),
        (1.6, 20, 50, 2.0, "suspect"),
        (1.6, 19, 80, 0.19, "predictable"),
        (1.6, 20, 49, 0.19, "predictable"),
        (1.6, 0, 0, 0.0, "predictable"),
        (1.6, 19, 80, 0.20, "novel"),
        (1.6, 0, 0, None, "novel"),
        (1.6, 0, 0, math.nan, "novel"),
    ],
)
def test_the_table(ratio: float, tokens: int, size: int, loss: float | None, verdict: str) -> None:
    assert decide(ratio, longest_tokens=tokens, longest_bytes=size, loss=loss) == verdict


def test_the_ratio_is_bytes_per_compressed_byte() -> None:
    """300 equal letters are about 13 bytes in zlib: two of header, a few of data, four of checksum."""
    assert 20 < zlib_ratio(b"a" * 300) < 30
    assert zlib_ratio(b"") == 1.0
    assert zlib_ratio(b"The cat sat upon the mat, and Mary had a little lamb whose fleece was white.") < 1.3


def test_a_ruled_line_says_nothing() -> None:
    assert not says_something(b"-" * 80)
    assert not says_something(b"| --- " * 20)
    assert says_something(
        b"It was the best of times, it was the worst of times, it was the age of wisdom, it was"
    )


def test_the_alert_of_the_run_file_takes_the_place_of_a_fifth() -> None:
    assert decide(1.5, longest_tokens=0, longest_bytes=0, loss=0.15) == "predictable"
    assert decide(1.5, longest_tokens=0, longest_bytes=0, loss=0.15, alert=0.1) == "novel"

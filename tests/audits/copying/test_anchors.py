"""Hashes of windows: the same bytes give the same hash wherever they stand, others another."""

import numpy as np

from twosignal.audits.copying.anchors import (
    SEPARATOR,
    SHORTEST,
    STRIDE,
    WINDOW,
    hash_windows,
    within_one_text,
)


def random_bytes(length: int, seed: int = 0) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 255, length, np.uint8)


def test_the_guarantee_is_fifty_bytes() -> None:
    """From any first byte, 50 bytes hold a whole window that begins at a multiple of the stride."""
    assert SHORTEST == 50
    for first in range(3 * STRIDE):
        starts = range(first, first + SHORTEST - WINDOW + 1)
        assert any(start % STRIDE == 0 for start in starts)
        assert sum(start % STRIDE == 0 for start in starts) == 1


def test_a_strided_hash_is_that_of_the_window_alone() -> None:
    text = random_bytes(500)
    every, some = hash_windows(text, stride=1), hash_windows(text, stride=STRIDE)
    assert len(every) == 500 - WINDOW + 1
    assert np.array_equal(some, every[::STRIDE])
    assert every[77] == hash_windows(text[77 : 77 + WINDOW].copy(), stride=1)[0]


def test_texts_shorter_than_a_window_have_none() -> None:
    for length in (0, 1, WINDOW - 1):
        assert len(hash_windows(random_bytes(length), stride=1)) == 0
        assert len(within_one_text(random_bytes(length), stride=1)) == 0
    assert len(hash_windows(random_bytes(WINDOW), stride=1)) == 1


def test_one_changed_byte_changes_the_hash() -> None:
    text = random_bytes(WINDOW)
    hashes = {int(hash_windows(text, stride=1)[0])}
    for at in range(WINDOW):
        other = text.copy()
        other[at] ^= 1
        hashes.add(int(hash_windows(other, stride=1)[0]))
    assert len(hashes) == WINDOW + 1


def test_hashes_fill_buckets_evenly() -> None:
    """200,000 windows of English-like bytes in 1,024 buckets: 195 each, none beyond six standard deviations."""
    text = np.random.default_rng(1).choice(np.frombuffer(b"etaoin shrdlu", np.uint8), 200_031)
    counts = np.bincount((hash_windows(text, stride=1) >> np.uint64(54)).astype(int), minlength=1024)
    assert abs(counts - 200_000 / 1024).max() < 6 * np.sqrt(200_000 / 1024)


def test_windows_that_hold_a_separator_are_told() -> None:
    text = random_bytes(200)
    text[100] = SEPARATOR
    same = within_one_text(text, stride=1)
    assert np.flatnonzero(~same).tolist() == list(range(100 - WINDOW + 1, 101))

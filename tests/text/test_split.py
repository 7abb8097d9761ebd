"""Takes records and shares, checks which are held out, against hashes worked out by hand."""

from hashlib import blake2b

import pytest

from twosignal.text.conversation import Document, Origin
from twosignal.text.split import first_held_out, is_chosen


def document(text: str, line: int = 1) -> Document:
    return Document(text=text, origin=Origin(source="s", file="f", line=line))


def test_the_first_eight_bytes_of_the_fingerprint_decide() -> None:
    fraction = int.from_bytes(blake2b(b"hello", digest_size=16).digest()[:8], "big") / 2**64
    assert is_chosen(document("hello"), fraction + 1e-9)
    assert not is_chosen(document("hello"), fraction)


def test_the_choice_hangs_on_the_text_alone() -> None:
    assert is_chosen(document("a", line=1), 0.5) == is_chosen(document("a", line=9), 0.5)


def test_the_share_is_about_what_is_asked() -> None:
    chosen = sum(is_chosen(document(f"text {n}"), 0.1) for n in range(2000))
    assert 150 < chosen < 250
    assert not any(is_chosen(document(f"text {n}"), 0.0) for n in range(100))
    assert all(is_chosen(document(f"text {n}"), 1.0) for n in range(100))


@pytest.mark.parametrize(
    ("length", "share", "first"), [(100, 0.02, 98), (10, 0.25, 7), (10, 0.0, 10), (10, 1.0, 0), (0, 0.5, 0)]
)
def test_the_end_begins_after_the_kept_share(length: int, share: float, first: int) -> None:
    assert first_held_out(length, share) == first

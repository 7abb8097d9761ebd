"""Takes generated lists, checks that they are distinct, numbered, and as predictable as a trap must be."""

import re

from twosignal.text.synthetic.listing import listings

FOUND = list(listings(source="s", limit=500))


def test_lines_are_numbered_in_order_and_otherwise_equal() -> None:
    for document in FOUND:
        lines = document.text.splitlines()
        numbers = [int(re.findall(r"\d+", line)[0]) for line in lines]
        assert 20 <= len(lines) <= 60
        assert numbers == list(range(numbers[0], numbers[0] + len(lines)))
        assert len({re.sub(r"\d+", "", line) for line in lines}) == 1


def test_lists_are_whole_different_documents() -> None:
    assert len({document.fingerprint for document in FOUND}) == 500
    assert all(document.is_start and document.is_end and document.domain == "listing" for document in FOUND)
    assert str(FOUND[4].origin) == "builtin:listing:5"


def test_every_line_follows_from_the_first() -> None:
    for document in FOUND:
        first, *rest = document.text.splitlines()
        (number,) = re.findall(r"\d+", first)
        assert rest == [first.replace(number, str(int(number) + n)) for n in range(1, len(rest) + 1)]

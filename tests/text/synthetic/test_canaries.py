"""Planted codes: the promised number of each, the same everywhere, and others of the same form."""

import re
from collections import Counter

from twosignal.text.synthetic.canaries import canaries, never_planted, planted

FORM = re.compile(r"The code of this locker is \d{4}-\d{4}-\d{4}\.")


def test_every_canary_stands_as_often_as_it_says() -> None:
    counts = Counter(document.text for document in canaries(source="s"))
    assert counts == {canary.text: canary.repeats for canary in planted()}
    assert sorted(counts.values()) == [1] * 4 + [10] * 4 + [100] * 4
    assert [document.origin.line for document in canaries(source="s")] == list(range(1, 445))


def test_the_codes_never_change() -> None:
    assert planted() == planted()
    assert [canary.text[27:31] for canary in planted()[:3]] == ["0518", "8953", "7445"]


def test_the_others_have_the_same_form_and_were_never_planted() -> None:
    others = never_planted(500)
    known = {canary.text for canary in planted()}
    assert len(set(others)) == 500
    assert not known & set(others)
    assert all(FORM.fullmatch(text) for text in [*others, *known])
    assert never_planted(3) == others[:3]

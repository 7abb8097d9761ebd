"""Readings of pages: tokens, their places, equal hashes for equal tokens, windows that cover every place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twosignal.audits.characters import DIGIT, WORD, codes_of, kinds
from twosignal.audits.lexicon import letter_costs, letters, lexicon, usual_words
from twosignal.audits.profiles import DATA, LINES, LISTED, PROSE, profiles_of
from twosignal.audits.reading import read_page
from twosignal.audits.windows import Ruler, Scale, flag


def tokens(text: str) -> list[str]:
    reading = read_page([text])
    stops = [*reading.starts[1:].tolist(), len(text)]
    return [text[a:b].strip() for a, b in zip(reading.starts.tolist(), stops, strict=True)]


def test_words_numbers_and_ideographs_are_tokens() -> None:
    assert tokens("Don't eat 12 abc34") == ["Don'", "t", "eat", "12", "abc", "34"]
    assert tokens("\u4f60\u597d ok") == ["\u4f60", "\u597d", "ok"]
    assert len(tokens("ha" * 40)) == 80


def test_equal_words_have_equal_hashes_whatever_their_case_and_place() -> None:
    reading = read_page(["Boat boat BOAT", "a boat"])
    assert len(set(reading.hashes[[0, 1, 2, 4]].tolist())) == 1
    assert reading.hashes[3] != reading.hashes[0]
    assert reading.tokens.bounds.tolist() == [0, 3, 5]


def test_no_two_usual_english_words_share_a_hash() -> None:
    words = list(dict.fromkeys(usual_words("en")))
    reading = read_page(["\n".join(words)])
    assert len(set(reading.hashes.tolist())) == len(words) > 20_000


def test_the_lexicon_knows_usual_words_and_no_others() -> None:
    reading = read_page(["the harbour xqzvk und ing"])
    rows = lexicon().rows(reading.hashes)
    assert (rows > 0).tolist() == [True, True, False, True, True]
    german = lexicon().names.index("de")
    assert lexicon().languages[rows[3], german] == 1


def test_emoji_and_rare_letters_keep_their_kind() -> None:
    found = kinds()[codes_of("a1\U0001f600\U00010400")]
    assert found[[0, 1]].tolist() == [WORD, DIGIT]
    assert found[2] < WORD <= found[3]


def test_q_after_z_costs_more_than_h_after_t() -> None:
    place = letters()
    assert letter_costs()[place[ord("z")], place[ord("q")]] > letter_costs()[place[ord("t")], place[ord("h")]]
    assert place[ord("\u00e9")] == place[ord("e")]
    assert letter_costs()[0].max() == 0


@pytest.mark.parametrize(
    ("text", "profile"),
    [
        ("One sentence follows another here, as it should be. And so on it goes for a while.", PROSE),
        ("apples, pears, plums, figs, dates, limes, nuts, peas, beans, corn", LISTED),
        ("one line\nand another\nand a third\nand a fourth\nand a fifth", LINES),
        ("def f(x):\n    y = x + 1\n    return y\n\nprint(f(3))\n", DATA),
        ('{"a": "b", "c": "d"}', DATA),
        ("| a | b |\n| - | - |\n| 1 | 2 |", DATA),
    ],
)
def test_sorts_of_text_are_told_apart(text: str, profile: int) -> None:
    assert profiles_of(read_page([text])).tolist() == [profile]


@given(st.lists(st.integers(0, 90), min_size=1, max_size=8), st.integers(4, 40))
def test_windows_cover_every_place_once_at_least_and_no_other_text(lengths: list[int], width: int) -> None:
    bounds = np.concatenate(([0], np.cumsum(lengths)))
    wide = Ruler(bounds=bounds).windows(width)
    covered = np.zeros(int(bounds[-1]), dtype=int)
    for text, first, last in zip(wide.texts, wide.first, wide.last, strict=True):
        start, stop = int(wide.edges[first]), int(wide.edges[last])
        assert bounds[text] <= start < stop <= bounds[text + 1]
        assert stop - start <= width
        covered[start:stop] += 1
    assert (covered > 0).all()
    assert wide.sums(np.ones(int(bounds[-1]), dtype=bool)).tolist() == wide.sizes.tolist()


def test_a_stretch_is_flagged_where_the_share_reaches_the_limit() -> None:
    values = np.array([False] * 40 + [True] * 20 + [False] * 40)
    scale = Scale(20, 10, (0.9, 0.9, 0.9, 0.9))
    over = Ruler(bounds=np.array([0, 100]))
    found = flag(values, None, scales=[scale], over=over, profiles=np.zeros(1, dtype=np.uint8))
    assert [(one.start, one.stop, one.value) for one in found] == [(40, 60, 1.0)]

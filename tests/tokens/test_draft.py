"""Tests of encoding drafts: takes segments with known boundaries, gives masks counted by hand."""

import pytest

from twosignal.tokens.draft import Draft, Fixed, Segment, encode_drafts, mask_by_place
from twosignal.tokens.tokenizer import Pieces, Tokenizer


def test_control_tokens_and_texts_keep_their_order_and_flags(tiny: Tokenizer) -> None:
    draft = Draft(
        [
            Fixed(264, supervised=False),
            Segment("ab ab", is_start=False, stretches=((5, False),)),
            Segment("cab", is_start=False, stretches=((3, True),)),
            Fixed(268, supervised=True),
        ]
    )
    (encoded,) = encode_drafts(tiny, [draft])
    assert encoded.ids.tolist() == [264, 256, 257, 258, 268]
    assert encoded.supervised.tolist() == [False, False, False, True, True]
    assert encoded.num_straddling == 0


@pytest.mark.parametrize(
    ("stretches", "mask", "num_straddling"),
    [
        # "ab ab cab" is "ab", " ab", " cab": boundaries after 2 and 5 fall between tokens.
        (((2, False), (9, True)), [False, True, True], 0),
        (((5, True), (9, False)), [True, True, False], 0),
        (((3, False), (9, True)), [False, False, True], 1),
        (((1, True), (9, False)), [False, False, False], 1),
        (((2, False), (5, True), (9, False)), [False, True, False], 0),
        (((1, True), (4, False), (9, True)), [False, False, True], 2),
        (((6, True), (7, False), (9, True)), [True, True, False], 1),
    ],
)
def test_a_token_is_supervised_only_if_all_of_it_is(
    stretches: tuple[tuple[int, bool], ...], mask: list[bool], num_straddling: int, tiny: Tokenizer
) -> None:
    (encoded,) = encode_drafts(tiny, [Draft([Segment("ab ab cab", is_start=True, stretches=stretches)])])
    assert encoded.ids.tolist() == [256, 257, 259]
    assert encoded.supervised.tolist() == mask
    assert encoded.num_straddling == num_straddling


@pytest.mark.parametrize("name", ["chatml", "gemma", "mistral", "unigram"])
@pytest.mark.parametrize("answer", ["Paris", " Paris", "\nParis", "\n\n the cat", "\U0001f600", "the\n"])
def test_the_quick_way_and_the_exact_way_agree(
    name: str, answer: str, request: pytest.FixtureRequest
) -> None:
    tokenizer: Tokenizer = request.getfixturevalue(name)
    head = "assistant\n"
    ends = (len(head), len(head + answer))
    quick = Segment(head + answer, is_start=False, stretches=((ends[0], False), (ends[1], True)))
    # An empty third stretch rules the quick way out.
    exact = quick._replace(stretches=(*quick.stretches, (ends[1], False)))
    one, other = encode_drafts(tokenizer, [Draft([quick]), Draft([exact])])
    assert one.ids.tolist() == other.ids.tolist()
    assert one.supervised.tolist() == other.supervised.tolist()
    assert one.num_straddling == other.num_straddling


def test_a_token_without_width_belongs_where_it_stands() -> None:
    pieces = Pieces(ids=[1, 2, 3], offsets=[(0, 0), (0, 2), (2, 2)])
    assert mask_by_place(pieces, ((2, False), (3, True))) == ([False, False, True], 0)


def test_parts_of_one_character_go_the_way_of_the_character(tiny: Tokenizer) -> None:
    segment = Segment("a\U0001f600b", is_start=True, stretches=((1, False), (2, True), (3, False)))
    (encoded,) = encode_drafts(tiny, [Draft([segment])])
    assert encoded.supervised.tolist() == [False, True, True, True, True, False]


def test_an_unknown_piece_at_the_end_of_a_head_is_not_taken_for_the_head(unigram: Tokenizer) -> None:
    # Neighbouring unknown characters fuse into one token, which then stands for both sides.
    stretches = ((2, False), (5, True))
    (encoded,) = encode_drafts(unigram, [Draft([Segment("a\u4e00\u4e01 a", False, stretches)])])
    assert encoded.num_straddling == 1


def test_a_text_that_is_not_unicode_is_an_error(tiny: Tokenizer) -> None:
    with pytest.raises(UnicodeEncodeError):
        encode_drafts(tiny, [Draft([Segment("\ud83d", is_start=True, stretches=((1, True),))])])

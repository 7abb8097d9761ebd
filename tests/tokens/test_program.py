"""Tests of programs: takes parts of a layout, gives runs of text whose white space is where tokenizers leave it."""

import pytest
from tokenizers import AddedToken

from twosignal.tokens.draft import Draft, Fixed, Segment, encode_drafts
from twosignal.tokens.layout import Part, Slot
from twosignal.tokens.program import Run, compile_parts, control_ids, fill_program, settle_program
from twosignal.tokens.tokenizer import Tokenizer

from . import saved

SLOT = Slot(0, "c")
PARTS = (
    Part("<|user|>ab ", None, supervised=False),
    Part("", SLOT, supervised=True),
    Part("<|end|>", None, supervised=True),
    Part(" ab<|end|>", None, supervised=False),
)


def test_scaffold_is_cut_at_control_tokens_and_contents_are_not(tiny: Tokenizer) -> None:
    program = compile_parts(tiny, PARTS)
    assert [item if isinstance(item, Fixed) else len(item.parts) for item in program] == [
        Fixed(264, supervised=False),
        2,
        Fixed(268, supervised=True),
        1,
        Fixed(268, supervised=False),
    ]
    assert control_ids(tiny, program) == [264, 268, 268]
    draft = fill_program(program, {SLOT: "<|end|>"})
    assert draft.items[1] == Segment("ab <|end|>", is_start=False, stretches=((3, False), (10, True)))


def test_text_that_never_changes_is_encoded_once(tiny: Tokenizer) -> None:
    program = settle_program(tiny, compile_parts(tiny, PARTS))
    assert [item.id for item in program if isinstance(item, Fixed)] == [264, 268, 257, 268]
    assert sum(isinstance(item, Run) for item in program) == 1
    assert control_ids(tiny, program) == [264, 268, 268]


def test_empty_contents_leave_no_segment(tiny: Tokenizer) -> None:
    parts = (Part("<|user|>", None, supervised=False), Part("", SLOT, supervised=True))
    assert fill_program(compile_parts(tiny, parts), {SLOT: ""}).items == [Fixed(264, supervised=False)]


def test_only_text_with_nothing_before_it_is_a_start(tiny: Tokenizer) -> None:
    parts = (Part("", SLOT, supervised=True), Part("<|end|>ab", None, supervised=False))
    runs = [item for item in compile_parts(tiny, parts) if isinstance(item, Run)]
    assert [run.is_start for run in runs] == [True, False]


@pytest.mark.parametrize("content", ["", " ", "ab", "  ab \n", "\u00a0ab\u3000", "\x1cab\x1f", "\n\n"])
@pytest.mark.parametrize("flag", ["lstrip", "rstrip", "both"])
def test_control_tokens_swallow_white_space_as_they_do_in_the_library(flag: str, content: str) -> None:
    flags = {"lstrip": flag != "rstrip", "rstrip": flag != "lstrip", "normalized": False}
    backend = saved.byte_level_backend()
    tokenizer = saved.build(saved.saved_files(backend, controls=[AddedToken("<|x|>", special=True, **flags)]))
    parts = (
        Part("<|x|>\n", None, supervised=False),
        Part("", SLOT, supervised=True),
        Part(" <|x|> \n<|x|>", None, supervised=False),
    )
    program = settle_program(tokenizer, compile_parts(tokenizer, parts))
    (encoded,) = encode_drafts(tokenizer, [fill_program(program, {SLOT: content})])
    whole = f"<|x|>\n{content} <|x|> \n<|x|>"
    assert encoded.ids.tolist() == tokenizer.encode_rendered(whole)


def test_boundaries_move_with_the_white_space_that_is_swallowed() -> None:
    parts = (Part(" \n", None, supervised=False), Part("", SLOT, supervised=True))
    run = Run(parts, is_start=False, strip_left=True, strip_right=True)
    assert run.segment({SLOT: " ab "}) == Segment("ab", is_start=False, stretches=((2, True),))
    right = Run(parts, is_start=False, strip_left=False, strip_right=True)
    expected = Segment(" \n ab", is_start=False, stretches=((2, False), (5, True)))
    assert right.segment({SLOT: " ab "}) == expected
    assert Draft([run.segment({SLOT: "  "})]).items == [Segment("", is_start=False, stretches=())]

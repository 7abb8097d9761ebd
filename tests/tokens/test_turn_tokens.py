"""Tests of tokens between turns: takes templates, gives the tokens that no text may spell."""

import pytest

from twosignal.tokens.template import ChatTemplate
from twosignal.tokens.turn_tokens import end_of_turn_text, turn_markers

from . import saved


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (saved.CHATML, "<|im_end|>"),
        (saved.MISTRAL, "</s>"),
        ("{% for m in messages %}{{ '<|im_start|>' + m.content }}{% endfor %}", ""),
        ("{{ raise_exception('no') }}", ""),
        ("nothing", ""),
    ],
)
def test_the_end_of_turn_is_the_control_token_behind_an_answer(source: str, expected: str) -> None:
    template = ChatTemplate(source, special_tokens={"eos_token": "</s>"})
    assert end_of_turn_text(template, ["<|im_start|>", "<|im_end|>", "</s>"]) == expected


def test_a_turn_ends_with_the_stop_that_always_stands_behind_another_token() -> None:
    """Cohere ends answers with two tokens, of which the second stops generation; a last turn's own end is no such."""
    answer = "{% for m in messages %}{{ '<|im_start|>' + m.content + '<|end|>' + ENDS }}{% endfor %}"
    tokens = ["<|im_start|>", "<|end|>", "</s>"]
    always = ChatTemplate(answer.replace("ENDS", "'</s>'"), special_tokens={})
    assert end_of_turn_text(always, tokens, stops=["</s>"]) == "</s>"
    assert end_of_turn_text(always, tokens) == "<|end|>"
    assert end_of_turn_text(always, tokens, stops=["</s>", "<|end|>"]) == "<|end|>"
    last = ChatTemplate(answer.replace("ENDS", "('</s>' if loop.last else '')"), special_tokens={})
    assert end_of_turn_text(last, tokens, stops=["</s>"]) == "<|end|>"


def test_turn_markers_are_what_a_template_writes_between_turns() -> None:
    template = ChatTemplate(saved.CHATML, special_tokens={})
    assert turn_markers(template, ["<|im_start|>", "<think>", "\n"]) == ["<|im_start|>"]
    assert turn_markers(ChatTemplate("{{ 1 / 0 }}", special_tokens={}), ["1"]) == []


def test_a_template_that_wants_a_system_turn_is_given_one() -> None:
    source = "{% if messages[0].role != 'system' %}{{ raise_exception('no') }}{% endif %}" + saved.CHATML
    template = ChatTemplate(source, special_tokens={})
    assert end_of_turn_text(template, ["<|im_end|>"]) == "<|im_end|>"
    assert turn_markers(template, ["<|im_end|>"]) == ["<|im_end|>"]

"""Tests of lessons: takes templates good and bad, gives what is learned in which rendering, or the reason why not."""

from collections.abc import Sequence

import pytest
from jinja2 import TemplateError

from twosignal.text.conversation import Message
from twosignal.tokens.lessons import find_lessons
from twosignal.tokens.opinion import second_spans
from twosignal.tokens.rendered_chat import RenderedChat
from twosignal.tokens.template import ChatTemplate, LayoutError

from . import saved

ROLES = ("user", "assistant", "user", "assistant")
CONTROLS = (
    "<s>",
    "</s>",
    *saved.CHATML_CONTROLS,
    *saved.LLAMA3_CONTROLS,
    *saved.GEMMA_CONTROLS[3:],
    *saved.MISTRAL_CONTROLS[3:],
)
BACKEND = saved.byte_level_backend(vocab=260)


def lessons(
    source: str, *, roles: Sequence[str] = ROLES, learned: Sequence[bool] | None = None
) -> list[tuple[int, list[str]]]:
    """For each lesson how many messages it has, and what is learned in it; message 0 says [0]."""
    files = saved.saved_files(BACKEND, template=source, controls=CONTROLS, eos_token="</s>", bos_token="<s>")
    tokenizer = saved.build(files)
    template = ChatTemplate(source, special_tokens=tokenizer.special_tokens)
    messages = [Message(role=role, content=f"[{index}]") for index, role in enumerate(roles)]
    written = RenderedChat(tokenizer, template).written(messages)
    found = find_lessons(written, [role == "assistant" for role in roles] if learned is None else learned)
    for lesson in found:
        assert second_spans(written, lesson) == lesson.spans
    return [(o.length, [o.rendering.text[start:end] for start, end in o.spans]) for o in found]


def answers(found: list[tuple[int, list[str]]]) -> list[str]:
    """What is learned in the one lesson."""
    ((_, texts),) = found
    return texts


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (saved.CHATML, ["[1]<|im_end|>", "[3]<|im_end|>"]),
        (saved.LLAMA3, ["[1]<|eot_id|>", "[3]<|eot_id|>"]),
        (saved.GEMMA, ["[1]<end_of_turn>", "[3]<end_of_turn>"]),
        (saved.MISTRAL, [" [1]</s>", " [3]</s>"]),
    ],
)
def test_answers_run_from_the_prompt_to_the_end_of_the_turn(source: str, expected: list[str]) -> None:
    assert answers(lessons(source)) == expected


def test_other_roles_are_learned_from_text_to_end() -> None:
    layout = lessons(saved.CHATML, learned=[True, False, False, False])
    assert answers(layout) == ["[0]<|im_end|>"]


def test_without_an_end_token_an_answer_ends_where_its_own_rendering_does() -> None:
    source = (
        "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    )
    assert answers(lessons(source)) == ["[1]\n", "[3]\n"]


def test_a_first_answer_without_a_prompt_starts_with_its_text() -> None:
    source = "{{ messages[0].role[0] }}" + saved.CHATML
    assert answers(lessons(source, roles=["assistant"])) == ["[0]<|im_end|>"]


def test_markers_say_where_answers_start_and_the_end_token_where_they_end() -> None:
    source = (
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.role == 'assistant' %}"
        "{% generation %}{{ m.content }}BEHIND{% endgeneration %}"
        "{% else %}{{ m.content }}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    )
    assert answers(lessons(source.replace("BEHIND", ""))) == ["[1]<|im_end|>", "[3]<|im_end|>"]
    beyond = source.replace("BEHIND", "{{ '<|im_end|>\n' }}").replace(
        "{{ '<|im_end|>\n' }}{% endfor", "{% endfor"
    )
    assert answers(lessons(beyond)) == ["[1]<|im_end|>", "[3]<|im_end|>"]


def test_markers_that_start_before_the_prompt_ends_are_cut_there() -> None:
    source = (
        "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}"
        "{{ '<|im_start|>assistant\n' + m.content + '<|im_end|>' }}{% endgeneration %}"
        "{% else %}{{ m.content }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    assert answers(lessons(source)) == ["[1]<|im_end|>", "[3]<|im_end|>"]


def test_markers_around_everything_are_refused() -> None:
    source = (
        "{% generation %}{% for m in messages %}{{ m.content + '<|im_end|>' }}{% endfor %}{% endgeneration %}"
    )
    with pytest.raises(LayoutError, match="generation markers take in message 1, which is no assistant turn"):
        lessons(source)


def test_markers_around_the_last_turn_only_are_refused_unless_only_it_is_learned() -> None:
    source = (
        "{% for m in messages %}{% if loop.last %}{% generation %}{{ m.content + '<|im_end|>' }}"
        "{% endgeneration %}{% else %}{{ m.content + '<|im_end|>' }}{% endif %}{% endfor %}"
    )
    with pytest.raises(LayoutError, match="generation markers leave out message 2"):
        lessons(source)
    assert answers(lessons(source, learned=[False, False, False, True])) == ["[3]<|im_end|>"]


def test_a_prompt_that_is_not_how_the_turn_is_written_is_refused() -> None:
    source = saved.CHATML.replace("'<|im_start|>assistant\n'", "'<|im_start|>assistant\n<think>\n'")
    with pytest.raises(LayoutError, match="the prompt it makes for message 2 does not begin"):
        lessons(source)


def test_a_template_that_refuses_a_prompt_refuses_the_layout() -> None:
    source = "{% if add_generation_prompt %}{{ raise_exception('never') }}{% endif %}" + saved.CHATML
    with pytest.raises(TemplateError, match="never"):
        lessons(source)
    marked = source.replace(
        "m.role + '\n' + m.content",
        "m.role + '\n' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}"
        "{% else %}{{ m.content }}{% endif %}{{ ''",
    )
    assert answers(lessons(marked)) == ["[1]<|im_end|>", "[3]<|im_end|>"]


def test_a_turn_without_its_end_token_is_refused() -> None:
    source = saved.CHATML.replace(
        "m.content + '<|im_end|>'", "m.content + ('' if loop.index0 == 3 else '<|im_end|>')"
    )
    with pytest.raises(LayoutError, match=r"writes no <\|im_end\|> after message 4, an assistant turn"):
        lessons(source)


def test_markers_around_the_wrong_role_are_refused() -> None:
    source = saved.CHATML.replace("m.content +", "m.content +").replace(
        "{{ '<|im_start|>'",
        "{% if m.role == 'user' %}{% generation %}{{ m.content }}{% endgeneration %}{% endif %}{{ '<|im_start|>'",
    )
    with pytest.raises(LayoutError, match="generation markers leave out message 2"):
        lessons(source)
    with pytest.raises(LayoutError, match="generation markers take in message 1"):
        lessons(source, learned=[False] * 4)


def test_a_text_that_is_left_out_is_refused() -> None:
    source = "{% for m in messages if m.role != 'tool' %}{{ m.content + '<|im_end|>' }}{% endfor %}"
    with pytest.raises(LayoutError, match=r"leaves out the text of message 2 \(tool\)") as caught:
        lessons(source, roles=["user", "tool"])
    assert caught.value.remedy == "Move the text into a turn that the template writes."


RETROSPECT = saved.CHATML.replace(
    "m.content", "('<think>\n\n</think>\n\n' if loop.last and m.role == 'assistant' else '') + m.content"
)


def test_turns_that_are_written_differently_in_retrospect_are_lessons_of_their_own() -> None:
    assert lessons(RETROSPECT) == [
        (2, ["<think>\n\n</think>\n\n[1]<|im_end|>"]),
        (4, ["<think>\n\n</think>\n\n[3]<|im_end|>"]),
    ]
    assert lessons(RETROSPECT, learned=[False, False, False, True]) == [
        (4, ["<think>\n\n</think>\n\n[3]<|im_end|>"])
    ]
    only_first = lessons(RETROSPECT, roles=["user", "assistant", "user"])
    assert only_first == [(2, ["<think>\n\n</think>\n\n[1]<|im_end|>"])]
    assert lessons(RETROSPECT, learned=[False] * 4) == [(4, [])]


def test_what_the_prompt_supplies_is_not_learned_when_the_prompt_can_be_told_so() -> None:
    source = RETROSPECT.replace(
        "assistant\n' }}", "assistant\n' + ('<think>\n\n</think>\n\n' if enable_thinking is false else '') }}"
    )
    assert lessons(source) == [(2, ["[1]<|im_end|>"]), (4, ["[3]<|im_end|>"])]


def test_an_answer_whose_history_changes_with_it_is_put_behind_its_prompt() -> None:
    # The hint is there when the model answers, and gone from the rendering of the answer.
    source = (
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content }}"
        "{{ '(hint)' if m.role == 'user' and loop.last }}{{ '<|im_end|>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    assert lessons(source) == [(2, ["[1]<|im_end|>"]), (4, ["[3]<|im_end|>"])]

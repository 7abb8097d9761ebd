"""Tests of layouts: takes templates good and bad, gives scaffold and answers apart, or the reason why not."""

from collections.abc import Sequence

import pytest
from jinja2 import TemplateError

from twosignal.tokens.layout import (
    Layout,
    LayoutError,
    Part,
    Slot,
    fill_layout,
    learn_layout,
    placeholders,
)
from twosignal.tokens.template import ChatTemplate

from . import saved

ROLES = (("user", False), ("assistant", False), ("user", False), ("assistant", False))


def learn(
    source: str,
    *,
    roles: Sequence[tuple[str, bool]] = ROLES,
    end: str = "<|im_end|>",
    learned: Sequence[bool] | None = None,
) -> Layout | None:
    template = ChatTemplate(source, special_tokens={"bos_token": "<s>", "eos_token": "</s>"})
    chosen = [role == "assistant" for role, _ in roles] if learned is None else learned
    return learn_layout(template, placeholders(roles), learned=chosen, end_of_turn=end)


def answers(layout: Layout | None) -> list[str]:
    """The supervised stretches, with [0] for the content of message 0."""
    assert layout is not None
    texts: list[str] = []
    was = False
    for part in layout.parts:
        if part.supervised:
            text = part.scaffold if part.slot is None else f"[{part.slot.message}]"
            texts = [*texts[:-1], texts[-1] + text] if was else [*texts, text]
        was = part.supervised
    return texts


def test_a_layout_names_scaffold_and_slots_in_order() -> None:
    layout = learn(saved.CHATML, roles=ROLES[:2])
    assert layout == Layout(
        parts=(
            Part("<|im_start|>user\n", None, supervised=False),
            Part("", Slot(0, "c"), supervised=False),
            Part("<|im_end|>\n<|im_start|>assistant\n", None, supervised=False),
            Part("", Slot(1, "c"), supervised=True),
            Part("<|im_end|>", None, supervised=True),
            Part("\n", None, supervised=False),
        )
    )


@pytest.mark.parametrize(
    ("source", "end", "expected"),
    [
        (saved.CHATML, "<|im_end|>", ["[1]<|im_end|>", "[3]<|im_end|>"]),
        (saved.LLAMA3, "<|eot_id|>", ["[1]<|eot_id|>", "[3]<|eot_id|>"]),
        (saved.GEMMA, "<end_of_turn>", ["[1]<end_of_turn>", "[3]<end_of_turn>"]),
        (saved.MISTRAL, "</s>", [" [1]</s>", " [3]</s>"]),
    ],
)
def test_answers_run_from_the_prompt_to_the_end_of_the_turn(
    source: str, end: str, expected: list[str]
) -> None:
    assert answers(learn(source, end=end)) == expected


def test_other_roles_are_learned_from_text_to_end() -> None:
    layout = learn(saved.CHATML, learned=[True, False, False, False])
    assert answers(layout) == ["[0]<|im_end|>"]


def test_without_an_end_token_an_answer_ends_where_its_own_rendering_does() -> None:
    source = (
        "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    )
    assert answers(learn(source, end="")) == ["[1]\n", "[3]\n"]


def test_a_first_answer_without_a_prompt_starts_with_its_text() -> None:
    source = "{{ messages[0].role[0] }}" + saved.CHATML
    assert answers(learn(source, roles=[("assistant", False)])) == ["[0]<|im_end|>"]


def test_markers_say_where_answers_start_and_the_end_token_where_they_end() -> None:
    source = (
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.role == 'assistant' %}"
        "{% generation %}{{ m.content }}BEHIND{% endgeneration %}"
        "{% else %}{{ m.content }}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    )
    assert answers(learn(source.replace("BEHIND", ""))) == ["[1]<|im_end|>", "[3]<|im_end|>"]
    beyond = source.replace("BEHIND", "{{ '<|im_end|>\n' }}").replace(
        "{{ '<|im_end|>\n' }}{% endfor", "{% endfor"
    )
    assert answers(learn(beyond)) == ["[1]<|im_end|>", "[3]<|im_end|>"]


def test_markers_that_start_before_the_prompt_ends_are_cut_there() -> None:
    source = (
        "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}"
        "{{ '<|im_start|>assistant\n' + m.content + '<|im_end|>' }}{% endgeneration %}"
        "{% else %}{{ m.content }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    )
    assert answers(learn(source)) == ["[1]<|im_end|>", "[3]<|im_end|>"]


def test_markers_around_everything_are_refused() -> None:
    source = (
        "{% generation %}{% for m in messages %}{{ m.content + '<|im_end|>' }}{% endfor %}{% endgeneration %}"
    )
    with pytest.raises(LayoutError, match="generation markers around message 2 take in message 1"):
        learn(source)


def test_markers_around_the_last_turn_only_are_refused_unless_only_it_is_learned() -> None:
    source = (
        "{% for m in messages %}{% if loop.last %}{% generation %}{{ m.content + '<|im_end|>' }}"
        "{% endgeneration %}{% else %}{{ m.content + '<|im_end|>' }}{% endif %}{% endfor %}"
    )
    with pytest.raises(LayoutError, match="generation markers leave out message 2"):
        learn(source)
    assert answers(learn(source, learned=[False, False, False, True])) == ["[3]<|im_end|>"]


def test_a_prompt_that_is_not_how_the_turn_is_written_is_refused() -> None:
    source = saved.CHATML.replace("'<|im_start|>assistant\n'", "'<|im_start|>assistant\n<think>\n'")
    with pytest.raises(LayoutError, match="the prompt it makes for message 2 does not begin"):
        learn(source)


def test_a_template_that_refuses_a_prompt_refuses_the_layout() -> None:
    source = "{% if add_generation_prompt %}{{ raise_exception('never') }}{% endif %}" + saved.CHATML
    with pytest.raises(TemplateError, match="never"):
        learn(source)
    marked = source.replace("{{ '<|im_start|>' + m.role", "{% generation %}{{ '<|im_start|>' + m.role")
    marked = marked.replace("'\n' }}{% endfor", "'\n' }}{% endgeneration %}{% endfor")
    assert answers(learn(marked))[1].endswith("assistant\n[3]<|im_end|>")


def test_a_turn_without_its_end_token_is_refused() -> None:
    source = saved.CHATML.replace(
        "m.content + '<|im_end|>'", "m.content + ('<|im_end|>' if loop.last or m.role == 'user' else '')"
    )
    with pytest.raises(LayoutError, match=r"writes no <\|im_end\|> after message 2, an assistant turn"):
        learn(source)


def test_a_text_that_is_left_out_is_refused() -> None:
    source = "{% for m in messages if m.role != 'tool' %}{{ m.content + '<|im_end|>' }}{% endfor %}"
    with pytest.raises(LayoutError, match=r"leaves out the text of message 2 \(tool\)") as caught:
        learn(source, roles=[("user", False), ("tool", False)])
    assert caught.value.remedy == "Move the text into a turn that the template writes."


def test_a_text_that_is_written_twice_gives_no_layout() -> None:
    source = "{{ messages[0].content }}" + saved.CHATML
    assert learn(source) is None


def test_turns_that_are_written_differently_in_retrospect_are_counted() -> None:
    source = saved.CHATML.replace(
        "m.content", "('<think>\n\n</think>\n\n' if loop.last and m.role == 'assistant' else '') + m.content"
    )
    layout = learn(source)
    assert answers(layout) == ["[1]<|im_end|>", "<think>\n\n</think>\n\n[3]<|im_end|>"]
    assert layout is not None
    assert layout.num_rewritten == 1


PARTS = (
    Part("<u>", None, supervised=False),
    Part("", Slot(0, "c"), supervised=False),
    Part("<a>", None, supervised=False),
    Part("", Slot(1, "c"), supervised=True),
    Part("<e>", None, supervised=True),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<u> one <e>\n<a>\ntwo\n<e>", (" one <e>\n", "\ntwo\n")),
        ("<u>one <e><a>two<e>", ("one <e>", "two")),
        ("<u> one <e><a>two\n<e>", (" one <e>", "two\n")),
        ("<u> one <e>\n<a>\ntwo<e>", (" one <e>\n", "\ntwo")),
        ("<u> one<a>\ntwo\n<e>", None),
        ("<u> one <e>\n<a>\ntwo\n<e>\n", None),
        ("<b> one <e>\n<a>\ntwo\n<e>", None),
    ],
)
def test_texts_are_found_whole_or_stripped_at_their_ends(text: str, expected: tuple[str, str] | None) -> None:
    messages = saved.chat(("user", " one <e>\n"), ("assistant", "\ntwo\n")).messages
    found = fill_layout(PARTS, messages, text=text)
    assert found == (expected and {Slot(0, "c"): expected[0], Slot(1, "c"): expected[1]})


def test_the_last_text_must_end_the_rendering() -> None:
    messages = saved.chat(("user", "one"), ("assistant", " two ")).messages
    assert fill_layout(PARTS[:4], messages, text="<u>one<a>two") == {Slot(0, "c"): "one", Slot(1, "c"): "two"}
    assert fill_layout(PARTS[:4], messages, text="<u>one<a> two .") is None


def test_names_have_slots_of_their_own() -> None:
    source = "{% for m in messages %}{{ m.name + ': ' + m.content + '<|im_end|>' }}{% endfor %}"
    layout = learn(source, roles=[("user", True), ("assistant", True)], learned=[False, True])
    assert layout is not None
    messages = saved.chat(("user", "Hi", "Bo"), ("assistant", "Ho", "Zara")).messages
    filled = fill_layout(layout.parts, messages, text="Bo: Hi<|im_end|>Zara: Ho<|im_end|>")
    assert filled == {Slot(0, "n"): "Bo", Slot(0, "c"): "Hi", Slot(1, "n"): "Zara", Slot(1, "c"): "Ho"}

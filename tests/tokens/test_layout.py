"""Tests of layouts: takes renderings of placeholders, gives scaffold and slots apart, and fills them again."""

import pytest

from twosignal.tokens.layout import Part, Slot, fill_layout, learn_layout, placeholders
from twosignal.tokens.template import ChatTemplate, LayoutError

from . import saved

ROLES = (("user", False), ("assistant", False))


def rendered(source: str, roles: tuple[tuple[str, bool], ...] = ROLES) -> str:
    return ChatTemplate(source, special_tokens={}).render(placeholders(roles)).text


def test_a_layout_names_scaffold_and_slots_in_order() -> None:
    text = rendered(saved.CHATML)
    start = text.index("assistant\n") + len("assistant\n")
    assert learn_layout(text, [(start, len(text) - 1)], roles=ROLES) == (
        Part("<|im_start|>user\n", None, supervised=False),
        Part("", Slot(0, "c"), supervised=False),
        Part("<|im_end|>\n<|im_start|>assistant\n", None, supervised=False),
        Part("", Slot(1, "c"), supervised=True),
        Part("<|im_end|>", None, supervised=True),
        Part("\n", None, supervised=False),
    )


def test_a_text_that_is_left_out_is_refused() -> None:
    text = rendered("{{ messages[0].content }}")
    with pytest.raises(LayoutError, match=r"leaves out the text of message 2 \(assistant\)") as caught:
        learn_layout(text, [], roles=ROLES)
    assert caught.value.remedy == "Move the text into a turn that the template writes."


def test_a_text_that_is_written_twice_gives_no_layout() -> None:
    assert learn_layout(rendered("{{ messages[0].content }}" + saved.CHATML), [], roles=ROLES) is None


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
    roles = (("user", True), ("assistant", True))
    parts = learn_layout(rendered(source, roles), [], roles=roles)
    assert parts is not None
    messages = saved.chat(("user", "Hi", "Bo"), ("assistant", "Ho", "Zara")).messages
    filled = fill_layout(parts, messages, text="Bo: Hi<|im_end|>Zara: Ho<|im_end|>")
    assert filled == {Slot(0, "n"): "Bo", Slot(0, "c"): "Hi", Slot(1, "n"): "Zara", Slot(1, "c"): "Ho"}

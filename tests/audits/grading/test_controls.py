"""Controls are what they are said to be, and do not stand out by their length."""

import random

from tests.audits.grading.conftest import KNOWN
from twosignal.audits.degeneration import score
from twosignal.audits.grading.controls import Passage, bare, broken_controls, passages, sound_controls
from twosignal.text.conversation import Conversation, Document, Message, Origin, Tokenized

ORIGIN = Origin(source="s", file="f.jsonl", line=7)


def broken(known: list[Passage], lengths: list[int], *, draw: random.Random) -> list[Passage]:
    return broken_controls(known, lengths, prompts=["Why?"] * len(lengths), draw=draw)


def chat(*turns: tuple[str, str]) -> Conversation:
    return Conversation(messages=tuple(Message(role, content) for role, content in turns), origin=ORIGIN)


def test_the_last_answer_of_a_conversation_is_a_passage() -> None:
    found = passages(
        [chat(("system", "Be kind."), ("user", "Hi"), ("assistant", "Hello."), ("user", "And?"))]
    )
    assert found == [Passage(prompt="Be kind.\nHi", text="Hello.", origin="f.jsonl:7")]
    assert passages([chat(("user", "Hi")), chat(("user", "Hi"), ("assistant", "  "))]) == []


def test_a_document_is_an_opening_and_its_body() -> None:
    words = [f"w{n}" for n in range(30)]
    assert passages([Document(text=" ".join(words), origin=ORIGIN)]) == [
        Passage(prompt=" ".join(words[:24]), text=" ".join(words[24:]), origin="f.jsonl:7")
    ]
    assert passages([Document(text="Few words.", origin=ORIGIN)])[0].prompt == ""
    assert passages([Tokenized(ids=(1, 2), supervised=None, origin=ORIGIN)]) == []


def test_controls_are_cut_to_the_lengths_of_samples_at_a_word() -> None:
    for make in (sound_controls, broken):
        made = make(KNOWN, [70, 150, 90], draw=random.Random(3))
        assert len(made) == 3
        for passage, longest in zip(made, (70, 150, 90), strict=True):
            assert longest - 20 <= len(passage.text) <= longest
    whole = sound_controls(KNOWN, [10_000], draw=random.Random(3))[0].text
    assert whole in [one.text for one in KNOWN]
    cut = sound_controls(KNOWN[:1], [100], draw=random.Random(3))[0].text
    assert KNOWN[0].text.startswith(cut + " ")


def test_loops_and_letters_are_broken_and_sound_ones_sound() -> None:
    draw = random.Random(0)
    made = broken(KNOWN, [300] * 6, draw=draw)
    assert [score(one.text).degenerate for n, one in enumerate(made) if n % 3 < 2] == [True] * 4
    assert [score(one.text).degenerate for one in sound_controls(KNOWN, [300] * 6, draw=draw)] == [False] * 6


def test_shuffled_words_are_those_of_the_text_in_another_order() -> None:
    shuffled = broken(KNOWN[:1], [10_000] * 3, draw=random.Random(0))[2].text
    assert shuffled != KNOWN[0].text
    assert sorted(shuffled.split()) == sorted(KNOWN[0].text.split())


def test_text_without_spaces_is_cut_too() -> None:
    known = [Passage(prompt="", text="\u6e2f" * 500)]
    assert len(sound_controls(known, [80], draw=random.Random(0))[0].text) == 80
    assert len(broken(known, [80], draw=random.Random(0))[0].text) <= 80


def test_broken_controls_stand_under_the_prompts_they_are_given() -> None:
    made = broken_controls(KNOWN, [80] * 3, prompts=["a", "b", "c"], draw=random.Random(0))
    assert [one.prompt for one in made] == ["a", "b", "c"]
    assert broken_controls([], [80], prompts=["a"], draw=random.Random(0)) == []


def test_role_names_of_a_chat_template_are_not_shown() -> None:
    assert bare("system\nBe kind.\nuser\nWhat is a user?\nassistant") == "Be kind.\nWhat is a user?"
    assert bare("user\nHi\nmodel") == "Hi"
    assert bare("Name a role.\nuser") == "Name a role.\nuser"
    assert bare("") == ""

"""Tests of our own chat form: takes a chat, gives ids written down by hand, the same as the Jinja form gives."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twosignal.text.conversation import Message
from twosignal.tokens.draft import Draft, encode_drafts
from twosignal.tokens.grown_chat import GrownChat, body
from twosignal.tokens.render import Renderer
from twosignal.tokens.template import LayoutError
from twosignal.tokens.tokenizer import Tokenizer
from twosignal.tokens.training import train_tokenizer

from . import families, saved

GROWN = train_tokenizer(saved.CORPUS, kind="bpe", vocab=400)

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<|>"), max_size=12)
TURNS = st.lists(
    st.tuples(st.sampled_from(["system", "user", "assistant", "tool"]), WORDS, WORDS), min_size=1, max_size=5
)


def test_a_chat_is_role_name_text_and_end_in_turn(tiny: Tokenizer) -> None:
    messages = [Message(role="user", content="ab"), Message(role="assistant", content="cab", name="ab")]
    (draft,) = GrownChat(tiny).drafts(messages, learned=[False, True])
    (encoded,) = encode_drafts(tiny, [Draft(draft.items)])
    assert encoded.ids.tolist() == [261, 264, 256, 268, 265, 256, 267, 258, 268]
    assert encoded.supervised.tolist() == [False] * 7 + [True] * 2


def test_a_prompt_ends_with_the_head_of_an_answer(tiny: Tokenizer) -> None:
    chat = GrownChat(tiny)
    drafts = [chat.draft_prompt([Message(role="user", content="ab")], name=name) for name in ("", "cab")]
    plain, named = encode_drafts(tiny, drafts)
    assert plain.ids.tolist() == [261, 264, 256, 268, 265]
    assert named.ids.tolist() == [261, 264, 256, 268, 265, 258, 267]
    assert not plain.supervised.any()


def test_an_unknown_role_is_refused_with_the_roles_there_are(tiny: Tokenizer) -> None:
    with pytest.raises(LayoutError, match="unknown role 'bard'") as caught:
        GrownChat(tiny).drafts([Message(role="bard", content="ab")], learned=[True])
    assert caught.value.remedy == "Use one of system, user, assistant, tool."


@pytest.fixture(scope="session")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> object:
    return saved.in_transformers(GROWN, tmp_path_factory.mktemp("grown"))


@settings(max_examples=80, deadline=None)
@given(turns=TURNS)
def test_the_jinja_form_gives_the_same_ids_and_mask_in_transformers(
    turns: list[tuple[str, str, str]], theirs: object
) -> None:
    conversation = saved.chat(*turns)
    found = theirs.apply_chat_template(  # type: ignore[attr-defined]
        saved.as_dicts(conversation), return_assistant_tokens_mask=True, return_dict=True
    )
    example = Renderer(GROWN).render(conversation)
    assert example.ids.tolist() == found["input_ids"]
    assert example.supervised.astype(int).tolist() == found["assistant_masks"]


def test_the_jinja_form_gives_the_same_prompt_in_transformers(theirs: object) -> None:
    conversation = saved.chat(("system", "Be good."), ("user", "Hello there."))
    found = theirs.apply_chat_template(  # type: ignore[attr-defined]
        saved.as_dicts(conversation), add_generation_prompt=True, return_dict=True
    )
    assert Renderer(GROWN).prompt_ids(conversation.messages) == found["input_ids"]


def test_the_folder_says_what_it_is(tmp_path: Path) -> None:
    GROWN.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    }


@pytest.mark.parametrize("shape", families.SHAPES)
def test_calls_reasoning_names_and_tools_are_written_as_the_jinja_form_writes_them(
    shape: str, theirs: Any
) -> None:
    conversation = families.conversation(shape)
    example = Renderer(GROWN).render(conversation)
    dicts = families.as_dicts(conversation.messages, reasoning_key="reasoning_content", in_parts=False)
    found = theirs.apply_chat_template(
        dicts,
        tools=json.loads(conversation.tools) if conversation.tools else None,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    assert example.ids.tolist() == found["input_ids"]
    assert example.supervised.tolist() == [bool(flag) for flag in found["assistant_masks"]]
    assert Renderer(GROWN).second_opinion(conversation) is None


def test_the_form_of_a_call_beside_text_and_thought() -> None:
    twice = (families.CALL, replace(families.CALL, name='say "hi"', arguments='{"b":1,"a":null}'))
    message = Message(role="assistant", content="Wait.", reasoning="Where?", tool_calls=twice)
    assert body(message) == (
        "<think>\nWhere?\n</think>\n\nWait."
        '\n<tool_call>\n{"name": "lookzap", "arguments": {"place": "argzap"}}\n</tool_call>'
        '\n<tool_call>\n{"name": "say \\"hi\\"", "arguments": {"b": 1, "a": null}}\n</tool_call>'
    )
    assert body(message._replace(content="", reasoning="", tool_calls=twice[:1])) == (
        '<tool_call>\n{"name": "lookzap", "arguments": {"place": "argzap"}}\n</tool_call>'
    )

"""Tests of our own chat form: takes a chat, gives ids written down by hand, the same as the Jinja form gives."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twosignal.text.conversation import Message
from twosignal.tokens.draft import encode_drafts
from twosignal.tokens.grown_chat import GrownChat
from twosignal.tokens.layout import LayoutError
from twosignal.tokens.render import Renderer
from twosignal.tokens.tokenizer import Tokenizer
from twosignal.tokens.training import train_tokenizer

from . import saved

GROWN = train_tokenizer(saved.CORPUS, kind="bpe", vocab=400)

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="<|>"), max_size=12)
TURNS = st.lists(
    st.tuples(st.sampled_from(["system", "user", "assistant", "tool"]), WORDS, WORDS), min_size=1, max_size=5
)


def test_a_chat_is_role_name_text_and_end_in_turn(tiny: Tokenizer) -> None:
    messages = [Message(role="user", content="ab"), Message(role="assistant", content="cab", name="ab")]
    draft = GrownChat(tiny).draft(messages, learned=[False, True])
    (encoded,) = encode_drafts(tiny, [draft])
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
        GrownChat(tiny).draft([Message(role="bard", content="ab")], learned=[True])
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

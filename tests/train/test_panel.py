"""The prompts a run is asked: openings of held-out texts, cut where the last learned turn begins."""

from pathlib import Path
from typing import Any

import pytest

from tests.train.small import config, quiet, write_chats
from twosignal.packs.prepare import PreparedSource, prepare
from twosignal.tokens.render import Renderer
from twosignal.tokens.tokenizer import Tokenizer
from twosignal.tokens.training import train_tokenizer
from twosignal.train.panel import DOCUMENT_PROMPT_TOKENS, given_panel, held_out_panel, readable


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer([], kind="bytes", vocab=265)


def prepared(folder: Path, tokenizer: Tokenizer, **sources: dict[str, Any]) -> dict[str, PreparedSource]:
    """Sources of which the last half is held out."""
    tables = {name: {"held_out": 0.5, "held_out_at": "end", **table} for name, table in sources.items()}
    given = config(sources=tables)
    (folder / "chat.jsonl").touch()
    chosen = given.model_copy(update={"sources": {name: given.sources[name] for name in sources}})
    return prepare(chosen, tokenizer, folder=folder, cache=folder / "cache", row_tokens=128, say=quiet)


def chats(folder: Path, name: str, *texts: str) -> dict[str, Any]:
    write_chats(
        folder / f"{name}.jsonl",
        *[[("user", "hi"), ("assistant", "yes?"), ("user", text), ("assistant", "no")] for text in texts],
    )
    return {"path": f"{name}.jsonl"}


def test_a_conversation_is_cut_before_its_last_answer(tmp_path: Path, tokenizer: Tokenizer) -> None:
    sources = prepared(tmp_path, tokenizer, talk=chats(tmp_path, "talk", "one", "two"))
    (prompt,) = held_out_panel(sources, tokenizer, size=1, longest=100)
    written = tokenizer.decode(prompt.ids, skip_special=False)
    assert written == "<|bos|><|user|>hi<|end|><|assistant|>yes?<|end|><|user|>two<|end|><|assistant|>"
    assert prompt.text == "hi\nyes?\ntwo"
    assert prompt.source == "talk"


def test_a_document_gives_its_opening(tmp_path: Path, tokenizer: Tokenizer) -> None:
    """The token that begins documents and 23 bytes; of a shorter one, all but its last token."""
    lines = ["It was a bright cold day in April, and the clocks were striking.", "Short."]
    (tmp_path / "lines.txt").write_text("\n".join(lines) + "\n")
    table = {"path": "lines.txt", "documents": "lines", "held_out": 1.0, "held_out_at": "hash"}
    sources = prepared(tmp_path, tokenizer, lines=table)
    long, short = held_out_panel(sources, tokenizer, size=2, longest=100)
    assert len(long.ids) == DOCUMENT_PROMPT_TOKENS == 24
    assert long.ids[0] == short.ids[0] == tokenizer.bos_id
    assert (long.text, short.text) == ("It was a bright cold da", "Short.")


def test_prompts_are_drawn_in_turn_from_every_source(tmp_path: Path, tokenizer: Tokenizer) -> None:
    sources = prepared(
        tmp_path,
        tokenizer,
        one=chats(tmp_path, "one", *(f"a{n}" for n in range(8))),
        two=chats(tmp_path, "two", "b0", "b1"),
    )
    panel = held_out_panel(sources, tokenizer, size=4, longest=100)
    assert [prompt.source for prompt in panel] == ["one", "two", "one", "one"]
    assert [prompt.text.split("\n")[-1] for prompt in panel] == ["a4", "b1", "a5", "a6"]


def test_every_source_is_asked_however_small_the_panel(tmp_path: Path, tokenizer: Tokenizer) -> None:
    sources = prepared(
        tmp_path,
        tokenizer,
        one=chats(tmp_path, "one", "a", "b"),
        two=chats(tmp_path, "two", "c", "d"),
    )
    panel = held_out_panel(sources, tokenizer, size=1, longest=100)
    assert [prompt.source for prompt in panel] == ["one", "two"]


def test_a_long_prompt_is_passed_over(tmp_path: Path, tokenizer: Tokenizer) -> None:
    sources = prepared(tmp_path, tokenizer, one=chats(tmp_path, "one", "a", "b", "x" * 60, "d"))
    panel = held_out_panel(sources, tokenizer, size=9, longest=40)
    assert [prompt.text.split("\n")[-1] for prompt in panel] == ["d"]


def test_nothing_held_out_is_no_panel(tmp_path: Path, tokenizer: Tokenizer) -> None:
    table = {**chats(tmp_path, "one", "a", "b"), "held_out": 0.0}
    assert held_out_panel(prepared(tmp_path, tokenizer, one=table), tokenizer, size=4, longest=100) == []


def test_a_chat_model_is_asked_and_any_other_goes_on(tokenizer: Tokenizer) -> None:
    renderer = Renderer(tokenizer)
    (asked,) = given_panel(["who?"], renderer, chat=True)
    (opened,) = given_panel(["who?"], renderer, chat=False)
    written = [tokenizer.decode(prompt.ids, skip_special=False) for prompt in (asked, opened)]
    assert written == ["<|bos|><|user|>who?<|end|><|assistant|>", "<|bos|>who?"]
    assert asked.text == opened.text == "who?"


def test_without_any_text_the_model_is_given_an_empty_line(tokenizer: Tokenizer) -> None:
    (prompt,) = given_panel([], Renderer(tokenizer), chat=False)
    assert tokenizer.decode(prompt.ids) == "\n"
    assert prompt.text == ""


def test_turns_are_kept_apart_for_the_reader(tokenizer: Tokenizer) -> None:
    bos, end = tokenizer.bos_id, tokenizer.end_of_turn_id
    assert bos is not None
    assert end is not None
    ids = [bos, *tokenizer.encode(" one "), end, end, *tokenizer.encode("two"), end]
    assert readable(ids, tokenizer) == "one\ntwo"

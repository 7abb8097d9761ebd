"""A vocabulary that lacks the words of the answers is refused; a rare unknown sign is counted and allowed."""

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers

from tests.train.small import small_setup
from twosignal.prove.proof import prove
from twosignal.prove.receipt import Check
from twosignal.prove.unknown import check_unknown
from twosignal.train.setup import Setup

WORDS = ["what", "is", "a", "tree", "river", "road", "the", "on", "and", "bird"]


def words_setup(folder: Path, *answers: str) -> Setup:
    """A run whose tokenizer knows whole words only: ten of them."""
    vocabulary = {word: number for number, word in enumerate(["[UNK]", "<s>", "</s>", *WORDS])}
    backend = Backend(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    (folder / "words").mkdir()
    backend.save(str(folder / "words" / "tokenizer.json"))
    named = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "[UNK]",
        "bos_token": "<s>",
        "eos_token": "</s>",
    }
    (folder / "words" / "tokenizer_config.json").write_text(json.dumps(named))
    rows = [json.dumps({"prompt": "what is a tree", "completion": answer}) for answer in answers]
    (folder / "own.jsonl").write_text("\n".join(rows))
    sources = {"chat": {"path": "own.jsonl", "held_out": 0.0}}
    return small_setup(folder, sources=sources, tokenizer={"from": "words"})


def unknown(setup: Setup) -> Check:
    return check_unknown(setup.tokenizer, setup.sources)


def test_one_word_of_six_unknown_is_refused_with_its_place(tmp_path: Path) -> None:
    setup = words_setup(tmp_path, "a bird on the road", "a proporian on the road")
    check = unknown(setup)
    assert (check.id, check.passed, check.kind) == ("S4", False, "lost-data")
    # Twelve learned tokens: five words and the end, twice; one of them is unknown.
    assert check.evidence["unknown"] == {"chat": 1}
    assert "8.3% of the learned tokens" in check.message
    assert "own.jsonl:2" in check.message
    assert not prove(setup).passed


def test_known_words_pass_and_are_counted(tmp_path: Path) -> None:
    check = unknown(words_setup(tmp_path, "a bird on the road", "the river"))
    assert check.passed
    assert check.message.startswith("0 learned tokens")


@pytest.mark.parametrize(("known", "passes"), [(166, False), (167, True)])
def test_one_in_a_thousand_is_the_line(tmp_path: Path, known: int, passes: bool) -> None:
    """One unknown word among 6 x 166 + 2 = 998 learned tokens is above the line, among 1,004 below."""
    answers = ["a bird on the road"] * known + ["proporian"]
    assert unknown(words_setup(tmp_path, *answers)).passed is passes


def test_a_tokenizer_that_writes_any_text_is_not_asked(tmp_path: Path) -> None:
    assert unknown(small_setup(tmp_path)).passed is None

"""Where the model learns to stop: the mask, the template and the generation configuration must agree."""

from pathlib import Path

import numpy as np
import pytest

from tests.prove.test_rows import chats_setup
from tests.train.small import small_setup
from twosignal.packs.prepare import PreparedSource
from twosignal.prove.stops import check_end_of_turn, check_stops, generation_stops, learned_ends
from twosignal.train.setup import Setup


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    return small_setup(tmp_path)


@pytest.fixture
def chat(setup: Setup) -> PreparedSource:
    return setup.sources["chat"]


def test_the_ends_of_learned_stretches_are_found() -> None:
    assert learned_ends(np.array([0, 1, 1, 0, 1], bool)).tolist() == [2, 4]
    assert learned_ends(np.array([0, 0], bool)).tolist() == []


@pytest.mark.parametrize("stops", [None, 2, [2, 3]])
def test_a_model_that_does_not_stop_at_the_end_of_turn_is_found(
    stops: int | list[int] | None, setup: Setup
) -> None:
    """A base model's generation configuration names another token, or none."""
    model = setup.learner.model
    model.generation_config.eos_token_id = stops
    check = check_stops(setup.sources, setup.tokenizer, model)
    assert (check.id, check.passed, check.kind) == ("S8", False, "wrong-targets")
    assert check.message.startswith("answers end with <|end|>, and the model's generation stops at ")
    assert "generation_config.json" in check.remedy


def test_a_model_that_stops_there_passes(setup: Setup) -> None:
    model = setup.learner.model
    assert setup.tokenizer.end_of_turn_id in generation_stops(model)
    assert check_stops(setup.sources, setup.tokenizer, model).passed


def test_learned_turns_that_end_pass(setup: Setup) -> None:
    check = check_end_of_turn(setup.sources, setup.tokenizer)
    assert (check.id, check.passed, check.message) == ("S8", True, "24 learned turns all end with <|end|>")


def test_a_learned_turn_without_its_end_is_found(setup: Setup, chat: PreparedSource) -> None:
    """The last token of the third conversation is exchanged on the disk."""
    row = chat.store.index[2]
    ids = np.memmap(chat.store.folder / "ids.bin", np.int32, mode="r+")
    ids[int(row["offset"]) + int(row["length"]) - 1] = setup.tokenizer.encode("]")[0]
    ids.flush()
    check = check_end_of_turn(setup.sources, setup.tokenizer)
    assert (check.passed, check.kind) == (False, "wrong-targets")
    assert check.message == "a learned turn of chat.jsonl:3 ends with ']', not with the end of turn"
    assert (check.evidence["source"], check.evidence["line"]) == ("chat", 3)
    assert check.evidence["text"].endswith("[[nn2]]]")


def test_an_end_that_is_not_learned_is_found(setup: Setup, chat: PreparedSource) -> None:
    row = chat.store.index[0]
    mask = np.memmap(chat.store.folder / "supervised.bin", np.bool_, mode="r+")
    mask[int(row["offset"]) + int(row["length"]) - 1] = False
    mask.flush()
    check = check_end_of_turn(setup.sources, setup.tokenizer)
    assert (check.passed, check.kind) == (False, "wrong-targets")
    assert "chat.jsonl:1 ends with '0'" in check.message


def test_without_a_token_that_ends_turns_there_is_nothing_to_check(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup.tokenizer, "end_of_turn_id", None)
    assert check_end_of_turn(setup.sources, setup.tokenizer).passed is None


def test_answers_that_nothing_ends_are_found(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    """GLM's template writes no stop behind a last answer: of single answers the model never learns to stop."""
    end = setup.tokenizer.end_of_turn_id
    assert end is not None
    monkeypatch.setattr(setup.tokenizer, "end_of_turn_id", None)
    assert check_end_of_turn(setup.sources, setup.tokenizer, stops=[end]).passed is None
    check = check_end_of_turn(setup.sources, setup.tokenizer, stops=[setup.tokenizer.encode("]")[0]])
    assert (check.passed, check.kind) == (False, "wrong-targets")
    assert (
        "answers of 24 conversations are learned, and not one token at which generation stops (])"
        in check.message
    )


def test_without_learned_turns_there_is_nothing_to_check(tmp_path: Path) -> None:
    chats = [[("user", "hello"), ("assistant", f"{n}")] for n in range(3)]
    setup = chats_setup(tmp_path, *chats, source={"supervise": "all"})
    check = check_end_of_turn(setup.sources, setup.tokenizer)
    assert (check.passed, check.message) == (None, "no source has separately learned turns")


def test_a_turn_may_end_with_another_token_at_which_generation_stops(
    setup: Setup, chat: PreparedSource
) -> None:
    """gpt-oss ends a call of a tool with another token than an answer; an end of text, which cutting forges, is none."""
    tokenizer = setup.tokenizer
    end, eos = tokenizer.end_of_turn_id, tokenizer.eos_id
    assert end is not None
    assert eos is not None
    row = chat.store.index[2]
    ids = np.memmap(chat.store.folder / "ids.bin", np.int32, mode="r+")
    for other, passes in ((min(tokenizer.control_ids - {end, eos}), True), (eos, False)):
        ids[int(row["offset"]) + int(row["length"]) - 1] = other
        ids.flush()
        check = check_end_of_turn(setup.sources, tokenizer, stops=[end, other])
        assert check.passed is passes
        assert not passes or "1 with another token at which generation stops" in check.message

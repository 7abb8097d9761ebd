"""From run file to everything a run is made of: steps, baselines and models, by hand."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.train.small import Shape, config, quiet, small_setup, tiny_model, write_chats
from twosignal.errors import ConfigError, InputError
from twosignal.model.presets import grow
from twosignal.model.way import is_isolated
from twosignal.tokens.training import train_tokenizer
from twosignal.train.batch import measure
from twosignal.train.setup import Setup, build, pass_tokens, planned_steps, token_count


@pytest.mark.parametrize(
    ("run", "steps"),
    [
        ({"steps": 7}, 7),
        ({"tokens": 1000}, 4),
        ({"tokens": "1_024"}, 4),
        ({"tokens": 1025}, 5),
        ({"tokens": "2K"}, 8),
        ({"tokens": 1}, 1),
        ({"epochs": 1}, 3),
        ({"epochs": 2}, 5),
        ({"epochs": 0.5}, 2),
        ({"epochs": 0.01}, 1),
    ],
)
def test_steps_are_planned(run: dict[str, Any], steps: int) -> None:
    """Steps of 4 rows of 64 tokens, 256 together; an epoch has 10 rows."""
    given = config(run=run, rows={"per_step": 4})
    assert planned_steps(given, num_rows=10, row_tokens=64) == steps


def test_without_a_length_a_run_is_one_epoch() -> None:
    given = config(run={"hours": 1.0}, rows={"per_step": 4})
    assert planned_steps(given, num_rows=10, row_tokens=64) == 3


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (12, 12),
        ("12", 12),
        ("20M", 20_000_000),
        ("1B", 10**9),
        ("1.5k", 1500),
        (" 2t ", 2 * 10**12),
        ("1,000,000", 10**6),
        ("0.3M", 300_000),
    ],
)
def test_tokens_are_read_with_their_unit(value: str | int, count: int) -> None:
    assert token_count(value) == count


@pytest.mark.parametrize("value", ["", "M", "many", "0", "-1", "1MM", "1e999", "nan", "inf", "0.2"])
def test_a_number_of_tokens_that_is_none_is_a_sentence(value: str) -> None:
    with pytest.raises(ConfigError) as error:
        token_count(value)
    assert str(error.value) == (
        f"[run]: run.tokens is not a number of tokens "
        f'(found {value!r}; expected for example 20000000 or "1B").'
    )


def halves(folder: Path, name: str, *answers: str) -> dict[str, Any]:
    """A source of which the last conversation is held out."""
    write_chats(folder / f"{name}.jsonl", *[[("user", "q"), ("assistant", answer)] for answer in answers])
    return {"path": f"{name}.jsonl", "held_out": 0.4, "held_out_at": "end", "weight": 1.0}


def test_the_loss_of_knowing_only_frequencies_by_hand(tmp_path: Path) -> None:
    """Learned are a a b <end>, so with one added to each of 265 the counts are 3 2 2 of 269; asked are a b <end>."""
    setup = small_setup(tmp_path, sources={"chat": halves(tmp_path, "few", "aab", "ab")})
    expected = -(math.log(3 / 269) + 2 * math.log(2 / 269)) / 3
    assert setup.vocabulary == 265
    assert setup.unigram_loss == pytest.approx(expected)


def test_frequencies_and_probes_are_mixed_by_the_shares(tmp_path: Path) -> None:
    """Shares 1/4 and 3/4. One learns a <end>, the other b b <end>, and each is asked the same as it learned."""
    one, two = halves(tmp_path, "one", "a", "a"), {**halves(tmp_path, "two", "bb", "bb"), "weight": 3.0}
    setup = small_setup(tmp_path, sources={"chat": one, "two": two}, curriculum={"policy": "fixed"})
    chance_a = 0.25 * 2 / 267 + 0.75 * 1 / 268
    chance_b = 0.25 * 1 / 267 + 0.75 * 3 / 268
    chance_end = 0.25 * 2 / 267 + 0.75 * 2 / 268
    first = -(math.log(chance_a) + math.log(chance_end)) / 2
    second = -(2 * math.log(chance_b) + math.log(chance_end)) / 3
    assert setup.unigram_loss == pytest.approx(0.25 * first + 0.75 * second)


def test_without_anything_held_out_there_is_no_baseline(tmp_path: Path) -> None:
    assert small_setup(tmp_path, chats=4, source={"held_out": 0.0}).unigram_loss is None


def test_random_chance_is_the_logarithm_of_the_vocabulary(tmp_path: Path) -> None:
    """An untrained model of small weights is close to it."""
    setup = small_setup(tmp_path)
    assert setup.random_chance == pytest.approx(math.log(265))
    source = setup.sources["chat"]
    loss = measure(setup.learner, [source.stream.draw()], rows_per_pass=1).whole.mean
    assert loss == pytest.approx(math.log(265), abs=0.1)


def grown(folder: Path, **tables: Any) -> Setup:
    write_chats(folder / "chat.jsonl", *[[("user", "q"), ("assistant", f"a{n}")] for n in range(20)])
    return build(config(**tables), folder=folder, runs_dir=folder / "runs", say=quiet)


def test_a_grown_model_fits_tokenizer_and_rows(tmp_path: Path) -> None:
    setup = grown(tmp_path)
    model = setup.learner.model
    assert model.training
    assert is_isolated(model)
    assert setup.vocabulary == setup.tokenizer.vocab_size == 265
    assert setup.context == model.config.max_position_embeddings == 64
    assert setup.num_parameters == sum(p.numel() for p in set(model.parameters()))
    assert model.config.bos_token_id == setup.tokenizer.bos_id
    assert setup.learner.token_bytes.tolist() == setup.tokenizer.token_bytes().tolist()
    assert setup.learner.autocast is None
    assert setup.peak == 1e-3
    assert setup.has_conversations()


def test_the_same_seed_grows_the_same_model(tmp_path: Path) -> None:
    first, second, other = (grown(tmp_path, run={"seed": seed}).learner.model for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def save_pretrained(folder: Path, *, vocab: int) -> None:
    """A model with more or fewer entries than its tokenizer, which has 265."""
    tiny_model("llama", Shape(vocab=vocab, context=64)).save_pretrained(folder)
    train_tokenizer([], kind="bytes", vocab=265).save(folder)


def test_a_pretrained_model_brings_its_tokenizer_and_context(tmp_path: Path) -> None:
    save_pretrained(tmp_path / "model", vocab=300)
    setup = grown(tmp_path, model={"preset": None, "from": "model", "context": None}, rows={"tokens": None})
    assert setup.vocabulary == 300
    assert setup.tokenizer.vocab_size == 265
    assert setup.row_tokens == setup.context == 64
    assert setup.peak == 2e-5
    sizes = setup.learner.token_bytes
    assert len(sizes) == 300
    assert not sizes[265:].any()
    assert setup.learner.model.training


def test_a_model_too_small_for_its_tokenizer_is_refused(tmp_path: Path) -> None:
    save_pretrained(tmp_path / "model", vocab=200)
    with pytest.raises(InputError, match="more tokens than the model's embedding has rows"):
        grown(tmp_path, model={"preset": None, "from": "model", "context": None})


@pytest.mark.parametrize(("per_pass", "expected"), [(None, 256), (3, 3)])
def test_rows_of_a_pass_fill_16384_tokens_unless_told(
    per_pass: int | None, expected: int, tmp_path: Path
) -> None:
    setup = small_setup(tmp_path, rows={"tokens": 64, "per_step": 2, "per_pass": per_pass})
    assert setup.rows_per_pass == expected


def test_rows_are_drawn_by_the_shares(tmp_path: Path) -> None:
    sources = {"chat": halves(tmp_path, "one", *"abcdef"), "two": halves(tmp_path, "two", *"ghijkl")}
    sources["two"]["weight"] = 3.0
    setup = small_setup(tmp_path, sources=sources, curriculum={"policy": "fixed"}, rows={"per_step": 8})
    drawn = [row.source for row in setup.draw_rows()]
    assert (drawn.count("chat"), drawn.count("two")) == (2, 6)
    tokens = np.concatenate([row.ids for row in setup.draw_rows() if row.source == "two"])
    assert "g" in setup.tokenizer.decode(tokens.tolist())


def test_a_pass_holds_fewer_tokens_of_a_larger_model() -> None:
    cpu = torch.device("cpu")
    assert pass_tokens(grow("tiny", vocab_size=300, seed=0), cpu) == 16_384
    # 2 GiB over 68 bytes, 6 layers, 384 units: 13,706 tokens.
    assert (
        pass_tokens(grow("andrea-12m", vocab_size=300, seed=0), cpu) == 2 * 2**30 // (68 * 6 * 384) == 13_706
    )

"""Row length and context are settled before any weights are loaded, and wrong ones are sentences."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.train.small import Shape, config, quiet, some_chats, tiny_model, write_chats
from twosignal.errors import ConfigError, InputError
from twosignal.tokens.training import train_tokenizer
from twosignal.train.data import Data, context_of, local, prepare_data


def data(folder: Path, **tables: Any) -> Data:
    write_chats(folder / "chat.jsonl", *some_chats(12))
    return prepare_data(config(**tables), folder=folder, runs_dir=folder / "runs", say=quiet)


@pytest.mark.parametrize(
    ("model", "rows", "row_tokens", "context"),
    [
        ({"context": None}, None, 512, 512),
        ({"context": None}, 64, 64, 512),
        ({"context": None}, 700, 700, 700),
        ({"context": 96}, None, 96, 96),
        ({"context": 96}, 64, 64, 96),
        ({"context": 8192}, None, 4096, 8192),
        ({"context": 8192}, 8192, 8192, 8192),
    ],
)
def test_rows_fit_the_context(
    model: dict[str, Any], rows: int | None, row_tokens: int, context: int, tmp_path: Path
) -> None:
    """The preset's own context is 512; rows are not made longer than 4096 unless they are asked for."""
    found = data(tmp_path, model=model, rows={"tokens": rows})
    assert (found.row_tokens, found.context) == (row_tokens, context)
    assert max(len(found.sources["chat"].stream.draw().ids) for _ in range(3)) <= row_tokens


def test_rows_beyond_the_context_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"rows are longer .*found tokens = 65; expected at most 64"):
        data(tmp_path, model={"context": 64}, rows={"tokens": 65})


def test_a_saved_model_gives_context_and_tokenizer(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(["hello hello"], kind="bpe", vocab=280)
    tokenizer.save(tmp_path / "model")
    tiny_model("gpt2", Shape(vocab=280, context=48)).save_pretrained(tmp_path / "model")
    found = data(tmp_path, model={"preset": None, "from": "model", "context": None}, rows={"tokens": None})
    assert (found.row_tokens, found.context) == (48, 48)
    assert found.tokenizer.fingerprint() == tokenizer.fingerprint()


def test_a_folder_without_a_model_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty.*config\.json"):
        data(tmp_path, model={"preset": None, "from": "empty", "context": None})


def test_a_given_tokenizer_is_used_as_it_is(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(["hello hello"], kind="bpe", vocab=280)
    tokenizer.save(tmp_path / "words")
    found = data(tmp_path, tokenizer={"kind": "bpe", "from": "words"})
    assert found.tokenizer.fingerprint() == tokenizer.fingerprint()


def test_paths_start_at_the_run_file_and_hub_ids_stay(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert local("model", tmp_path) == str(tmp_path / "model")
    assert local("Qwen/Qwen3-0.6B", tmp_path) == "Qwen/Qwen3-0.6B"


def test_the_context_has_many_names() -> None:
    assert context_of(SimpleNamespace(max_position_embeddings=100)) == 100
    assert context_of(SimpleNamespace(n_positions=200)) == 200
    assert context_of(SimpleNamespace(max_seq_len=300)) == 300
    assert context_of(SimpleNamespace()) == 4096

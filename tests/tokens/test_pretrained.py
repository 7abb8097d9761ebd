"""Tests of finding a saved tokenizer: takes folders, run folders and hub ids, gives a tokenizer or a sentence."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError

from twosignal.errors import InputError
from twosignal.tokens.pretrained import load_tokenizer
from twosignal.tokens.tokenizer import Tokenizer


def test_a_folder_gives_the_tokenizer_saved_in_it(tmp_path: Path, chatml: Tokenizer) -> None:
    chatml.save(tmp_path)
    (tmp_path / "generation_config.json").write_text('{"eos_token_id": [7]}')
    loaded = load_tokenizer(tmp_path)
    assert loaded.fingerprint() == chatml.fingerprint()
    assert loaded.stop_ids == (*chatml.stop_ids, 7)
    assert load_tokenizer(str(tmp_path / "tokenizer.json")).fingerprint() == chatml.fingerprint()


def test_a_run_folder_gives_the_tokenizer_of_its_newest_checkpoint(
    tmp_path: Path, chatml: Tokenizer, tiny: Tokenizer
) -> None:
    tiny.save(tmp_path / "checkpoints" / "step-00000100")
    chatml.save(tmp_path / "checkpoints" / "step-00001200")
    (tmp_path / "checkpoints" / "step-00001300").mkdir()
    assert load_tokenizer(tmp_path).fingerprint() == chatml.fingerprint()


def test_a_grown_tokenizer_keeps_its_kind(tmp_path: Path, characters: Tokenizer) -> None:
    characters.save(tmp_path)
    assert load_tokenizer(tmp_path).kind == "character"


def test_a_folder_without_a_vocabulary_is_an_error_that_says_how_to_convert(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes(b"")
    with pytest.raises(InputError, match=r"there is no tokenizer\.json.*save_pretrained"):
        load_tokenizer(tmp_path)


def test_a_folder_that_cannot_be_read_is_an_error(
    tmp_path: Path, tiny: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.save(tmp_path)

    def refuse(_path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        load_tokenizer(tmp_path)


def test_a_path_that_cannot_be_a_hub_id_is_not_looked_up() -> None:
    with pytest.raises(InputError, match=r"\./no/such/folder: there is no such folder"):
        load_tokenizer("./no/such/folder")


ANSWER: Any = SimpleNamespace(headers={}, request=None)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (RepositoryNotFoundError("gone", response=ANSWER), "no such model"),
        (LocalEntryNotFoundError("offline"), "not in the local cache and the Hugging Face hub cannot be"),
        (HfHubHTTPError("busy", response=ANSWER), "the Hugging Face hub refused: busy"),
    ],
)
def test_a_hub_that_does_not_give_is_a_sentence(
    error: Exception, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_kwargs: object) -> str:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(InputError, match=f"someone/model.*{sentence}"):
        load_tokenizer("someone/model")


def test_a_hub_id_fetches_tokenizer_files_only(
    tmp_path: Path, chatml: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def give(repository: str, *, allow_patterns: list[str]) -> str:
        asked.extend([repository, *allow_patterns])
        chatml.save(tmp_path)
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", give)
    assert load_tokenizer("someone/model").fingerprint() == chatml.fingerprint()
    assert asked[0] == "someone/model"
    assert {"tokenizer.json", "chat_template.jinja", "generation_config.json"} <= set(asked)
    assert not any("safetensors" in pattern or "*" in pattern for pattern in asked)

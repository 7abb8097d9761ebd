"""Tests of pipelines: takes files that transformers does not run as written, gives the ids it gives all the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from twosignal.tokens.backend import drop_first_space, is_rebuilt_as_llama, without_wrapping
from twosignal.tokens.pretrained import load_tokenizer
from twosignal.tokens.render import Renderer

from . import saved

PAIRS: dict[str, Any] = {"model": {"type": "BPE"}, "pre_tokenizer": None, "decoder": None}


def save_llama(folder: Path, *, model_type: str, **config: Any) -> None:
    """Files as Llama 2 published them: a space in front by normalizer, control tokens matched after it."""
    files = saved.saved_files(
        saved.sentence_piece_backend(scheme="legacy"),
        template=saved.MISTRAL,
        controls=saved.MISTRAL_CONTROLS,
    )
    definition = json.loads(files["tokenizer.json"])
    for token in definition["added_tokens"]:
        token["normalized"] = token["content"] == "<s>"
    files["tokenizer.json"] = json.dumps(definition).encode()
    files["tokenizer_config.json"] = json.dumps({"tokenizer_class": "LlamaTokenizer", **config}).encode()
    if model_type:
        files["config.json"] = json.dumps({"model_type": model_type}).encode()
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("model_type", ["", "llama"])
@pytest.mark.parametrize(
    "config", [{}, {"legacy": None}, {"legacy": True}, {"legacy": False}, {"add_prefix_space": False}]
)
def test_llama_files_are_run_as_transformers_runs_them(
    model_type: str, config: dict[str, Any], tmp_path: Path
) -> None:
    import transformers

    save_llama(tmp_path, model_type=model_type, **config)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    tokenizer = load_tokenizer(tmp_path)
    conversation = saved.chat(("user", "the cat  sat\n"), ("assistant", " \U0001f600 Paris"))
    found = theirs.apply_chat_template(saved.as_dicts(conversation), return_dict=True)["input_ids"]
    assert Renderer(tokenizer).render(conversation).ids.tolist() == found
    text = "the cat sat"
    assert tokenizer.encode(text) == theirs.encode(text, add_special_tokens=False)
    assert tokenizer.decode(found) == theirs.decode(found, skip_special_tokens=True)
    assert (tokenizer.bos_id, tokenizer.eos_id) == (1, 2)


@pytest.mark.parametrize(
    ("changes", "config", "model", "expected"),
    [
        ({}, {"tokenizer_class": "LlamaTokenizerFast"}, {}, True),
        ({}, {}, {"tokenizer_class": "LlamaTokenizer"}, True),
        ({}, {"tokenizer_class": "LlamaTokenizer"}, {"model_type": "mistral"}, False),
        ({}, {"tokenizer_class": "PreTrainedTokenizerFast"}, {"model_type": "llama"}, False),
        ({"model": {"type": "Unigram"}}, {"tokenizer_class": "LlamaTokenizer"}, {}, False),
        (
            {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}]}},
            {"tokenizer_class": "LlamaTokenizer"},
            {},
            False,
        ),
        ({"decoder": {"type": "ByteLevel"}}, {"tokenizer_class": "LlamaTokenizer"}, {}, False),
    ],
)
def test_only_llama_files_with_signs_for_spaces_are_rebuilt(
    changes: dict[str, Any], config: dict[str, str], model: dict[str, str], expected: bool
) -> None:
    assert is_rebuilt_as_llama(PAIRS | changes, config, model=model) == expected


def test_the_first_space_is_switched_off_wherever_it_is_put() -> None:
    step = {"type": "Metaspace", "prepend_scheme": "first"}
    nested = {"type": "Sequence", "pretokenizers": [{"type": "Digits"}, dict(step)]}
    assert drop_first_space(nested)
    assert nested["pretokenizers"][1] == {"type": "Metaspace", "prepend_scheme": "never"}
    assert not drop_first_space(nested)
    assert not drop_first_space(None)
    assert not drop_first_space({"type": "Metaspace", "prepend_scheme": "always"})


def test_what_wraps_cuts_and_pads_is_taken_off() -> None:
    definition = {"post_processor": {"a": 1}, "truncation": {"b": 2}, "padding": {"c": 3}, "model": {}}
    nothing = {"post_processor": None, "truncation": None, "padding": None}
    assert without_wrapping(definition) == {**nothing, "model": {}}
    assert definition["padding"] == {"c": 3}

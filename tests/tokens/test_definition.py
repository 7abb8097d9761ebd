"""Tests of reading tokenizer files: takes files that disagree, gives what transformers would believe."""

import json
from typing import Any

import pytest

from twosignal.errors import InputError
from twosignal.tokens.definition import Definition, read_definition
from twosignal.tokens.template import CHATML, PLAIN


def read(**files: Any) -> Definition:
    """Read files given as `tokenizer={...}`, `tokenizer_config={...}` and so on; a text is taken as it is."""
    files.setdefault("tokenizer", {"added_tokens": [], "model": {}})
    named = {
        "chat_template.jinja" if name == "jinja" else f"{name}.json": (
            value if isinstance(value, str) else json.dumps(value)
        ).encode()
        for name, value in files.items()
    }
    return read_definition(named, where="models/some")


def added(text: str, **flags: bool) -> dict[str, Any]:
    flags = {"lstrip": False, "rstrip": False, "normalized": False, "single_word": False} | flags
    return {"id": 0, "content": text, "special": False} | flags


def test_a_missing_vocabulary_names_the_place_and_how_to_convert() -> None:
    with pytest.raises(InputError) as caught:
        read_definition({"vocab.json": b"{}"}, where="models/some")
    assert str(caught.value).startswith("models/some: there is no tokenizer.json")
    assert "AutoTokenizer.from_pretrained(...).save_pretrained(...)" in str(caught.value)


def test_a_torn_file_is_named() -> None:
    with pytest.raises(InputError, match=r"models/some: tokenizer_config\.json is not JSON"):
        read(tokenizer_config='{"bos_token": ')
    with pytest.raises(InputError, match="found list; expected an object"):
        read(tokenizer_config="[]")


def test_named_tokens_come_as_text_or_object_and_null_means_none() -> None:
    found = read(
        tokenizer_config={"bos_token": {"content": "<s>"}, "eos_token": "</s>", "pad_token": None},
        special_tokens_map={"eos_token": "<old>", "unk_token": "<unk>"},
    )
    assert found.named == {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def test_flags_of_the_configuration_win_and_named_tokens_are_special() -> None:
    found = read(
        tokenizer={"added_tokens": [added("<a>"), added("</s>"), added("<img>")], "model": {}},
        tokenizer_config={
            "eos_token": "</s>",
            "additional_special_tokens": ["<img>"],
            "added_tokens_decoder": {"0": {"content": "<a>", "rstrip": True, "special": True}},
        },
    )
    flags = {t["content"]: (t["special"], t["rstrip"]) for t in found.backend["added_tokens"]}
    assert flags == {"<a>": (True, True), "</s>": (True, False), "<img>": (True, False)}
    assert found.missing == ()


def test_tokens_that_only_the_configuration_knows_are_missing_ones() -> None:
    found = read(
        tokenizer_config={
            "pad_token": "<pad>",
            "added_tokens_decoder": {"7": {"content": "<b>"}},
            "extra_special_tokens": {"image_token": "<image>"},
        }
    )
    assert [(t["content"], t["special"]) for t in found.missing] == [
        ("<b>", False),
        ("<pad>", True),
        ("<image>", True),
    ]


def test_the_template_file_wins_over_the_configuration() -> None:
    config = {"chat_template": "in config"}
    assert read(jinja="in file", tokenizer_config=config).chat_template == "in file"
    assert read(tokenizer_config=config).chat_template == "in config"
    assert read(chat_template={"chat_template": "alone"}).chat_template == "alone"


def test_of_several_templates_the_default_is_taken() -> None:
    templates = [{"name": "tool_use", "template": "no"}, {"name": "default", "template": "yes"}]
    found = read(tokenizer_config={"chat_template": templates})
    assert (found.chat_template, found.has_own_template) == ("yes", True)


def test_without_a_template_one_is_chosen_by_the_tokens_there_are() -> None:
    both = {"added_tokens": [added("<|im_start|>"), added("<|im_end|>")], "model": {}}
    assert read(tokenizer=both).chat_template == CHATML
    assert read(tokenizer_config={"eos_token": "</s>"}).chat_template == PLAIN
    assert read().chat_template == ""
    assert not read(tokenizer=both).has_own_template


def test_stop_ids_come_as_number_or_list() -> None:
    assert read(generation_config={"eos_token_id": 3}).stop_ids == (3,)
    assert read(generation_config={"eos_token_id": [3, 5]}).stop_ids == (3, 5)
    assert read(generation_config={}).stop_ids == ()

"""What a saved tokenizer says about itself: takes its files, gives one `Definition`.

Follows transformers where files disagree: chat_template.jinja before the template in the
configuration, tokenizer_config.json before special_tokens_map.json, flags of
`added_tokens_decoder` before those of tokenizer.json.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twosignal.errors import InputError
from twosignal.tokens.backend import is_rebuilt_as_llama, rebuild_as_llama
from twosignal.tokens.template import CHATML, PLAIN

FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "chat_template.json",
)
"""The files that make a tokenizer; the first is needed, the others are optional."""

MODEL_FILES = ("generation_config.json", "config.json")
"""Files of the model that matter here: tokens that end a text, and the kind of model."""

_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """The contents of a tokenizer's files."""

    backend: dict[str, Any]
    """tokenizer.json as transformers runs it, with the flags of all added tokens settled."""
    missing: tuple[dict[str, Any], ...]
    """Added tokens that the other files name and tokenizer.json lacks: their text and flags."""
    named: dict[str, str]
    """Texts of the named tokens: bos_token, eos_token and so on; what templates may refer to."""
    chat_template: str
    """The template of its own, or a fallback; empty when there is no way to end a turn."""
    has_own_template: bool
    """The template came with the tokenizer."""
    kind: str
    """bpe, character or bytes for a tokenizer grown here, else empty."""
    stop_ids: tuple[int, ...]
    """End-of-text ids of the generation configuration."""


def read_definition(files: Mapping[str, bytes], *, where: str) -> Definition:
    """Return what the files say; `where` names their place in errors.

    Raises InputError when tokenizer.json is missing or a file is not JSON.
    """
    if "tokenizer.json" not in files:
        message = "there is no tokenizer.json"
        raise InputError(
            message,
            where=where,
            remedy="Convert it once with transformers: AutoTokenizer.from_pretrained(...).save_pretrained(...).",
        )
    backend = _parse(files, "tokenizer.json", where=where)
    config = _parse(files, "tokenizer_config.json", where=where)
    settled = {**_parse(files, "special_tokens_map.json", where=where), **_without_nulls(config)}
    if is_rebuilt_as_llama(backend, config, model=_parse(files, "config.json", where=where)):
        backend = rebuild_as_llama(backend, config)
        settled = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"} | settled
    named = {
        key: text for key, value in settled.items() if key.endswith("_token") and (text := _token_text(value))
    }
    specials = [*named.values(), *_extra_texts(settled)]
    missing = _settle_flags(backend, config.get("added_tokens_decoder", {}), specials=specials)
    template = _own_template(files, config, where=where)
    return Definition(
        backend=backend,
        missing=missing,
        named=named,
        chat_template=template or _fallback_template(backend, named),
        has_own_template=bool(template),
        kind=str(config.get("twosignal_kind", "")),
        stop_ids=_stop_ids(_parse(files, "generation_config.json", where=where)),
    )


def _parse(files: Mapping[str, bytes], name: str, *, where: str) -> dict[str, Any]:
    if name not in files:
        return {}
    try:
        value = json.loads(files[name])
    except ValueError as error:
        message = f"{name} is not JSON: {error}"
        remedy = "Fetch or save the tokenizer again; the file may be cut off."
        raise InputError(message, where=where, remedy=remedy) from error
    if not isinstance(value, dict):
        message = f"{name} holds no object"
        raise InputError(message, where=where, found=type(value).__name__, expected="an object")
    return value


def _without_nulls(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if value is not None}


def _token_text(value: object) -> str:
    """Return the text of a token given as text or as an object with flags."""
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else ""


def _extra_texts(config: dict[str, Any]) -> list[str]:
    """Return the texts of special tokens without a name of their own."""
    texts: list[str] = []
    for key in ("additional_special_tokens", "extra_special_tokens"):
        values = config.get(key) or ()
        texts += [_token_text(v) for v in (values.values() if isinstance(values, dict) else values)]
    return [text for text in texts if text]


def _settle_flags(
    backend: dict[str, Any], decoder: dict[str, Any], *, specials: list[str]
) -> tuple[dict[str, Any], ...]:
    """Bring the flags of the added tokens up to date, in place; return the added tokens that are missing."""
    added = backend.setdefault("added_tokens", [])
    known = {token["content"]: token for token in added}
    missing: dict[str, dict[str, Any]] = {}
    for _, given in sorted(decoder.items(), key=lambda item: int(item[0])):
        flags = {flag: bool(given.get(flag)) for flag in _FLAGS}
        if given["content"] in known:
            known[given["content"]].update(flags)
        else:
            missing[given["content"]] = {"content": given["content"], **flags}
    for text in specials:
        if text in known:
            known[text]["special"] = True
        else:
            plain = {"content": text, **dict.fromkeys(_FLAGS, False)}
            missing.setdefault(text, plain)["special"] = True
    return tuple(missing.values())


def _own_template(files: Mapping[str, bytes], config: dict[str, Any], *, where: str) -> str:
    if "chat_template.jinja" in files:
        return files["chat_template.jinja"].decode("utf-8")
    alone = _parse(files, "chat_template.json", where=where)
    template = config.get("chat_template") or alone.get("chat_template") or ""
    if isinstance(template, list):
        by_name = {entry["name"]: entry["template"] for entry in template}
        template = by_name.get("default", "")
    return str(template)


def _fallback_template(backend: dict[str, Any], named: dict[str, str]) -> str:
    texts = {token["content"] for token in backend["added_tokens"]}
    if {"<|im_start|>", "<|im_end|>"} <= texts:
        return CHATML
    return PLAIN if "eos_token" in named else ""


def _stop_ids(generation: dict[str, Any]) -> tuple[int, ...]:
    given = generation.get("eos_token_id")
    values = given if isinstance(given, list) else [given]
    return tuple(value for value in values if isinstance(value, int))

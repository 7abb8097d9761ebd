"""The pipeline inside tokenizer.json: takes its parsed contents, gives them as they are run here."""

from collections.abc import Mapping
from typing import Any

_SPACE = "\u2581"


def without_wrapping(backend: dict[str, Any]) -> dict[str, Any]:
    """Return the definition without what adds, cuts or pads: templates and packing do that here."""
    return {**backend, "post_processor": None, "truncation": None, "padding": None}


def drop_first_space(pre_tokenizer: dict[str, Any] | None) -> bool:
    """Switch off, in place, the space that a Metaspace step puts before a first word; return whether there was one."""
    if pre_tokenizer is None:
        return False
    if pre_tokenizer.get("type") == "Sequence":
        return sum(drop_first_space(step) for step in pre_tokenizer["pretokenizers"]) > 0
    if pre_tokenizer.get("prepend_scheme") != "first":
        return False
    pre_tokenizer["prepend_scheme"] = "never"
    return True


def is_rebuilt_as_llama(
    backend: Mapping[str, Any], config: Mapping[str, Any], *, model: Mapping[str, Any]
) -> bool:
    """Return whether transformers 5 loads these files as its `LlamaTokenizer`, which ignores parts of them."""
    declared = str(config.get("tokenizer_class") or model.get("tokenizer_class") or "")
    return (
        declared.removesuffix("Fast") == "LlamaTokenizer"
        and model.get("model_type", "") in ("", "llama")
        and backend["model"].get("type") == "BPE"
        and not _mentions(backend.get("pre_tokenizer"), "ByteLevel")
        and not _mentions(backend.get("decoder"), "ByteLevel")
    )


def rebuild_as_llama(backend: dict[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition with the pipeline of transformers' `LlamaTokenizer` around its pairs.

    Older files put a space before every stretch of text between two control tokens; that class
    puts one before the first only, unless the configuration says legacy.
    """
    has_space = config.get("add_prefix_space") is not False
    scheme = ("always" if config.get("legacy") else "first") if has_space else "never"
    decoders: list[dict[str, Any]] = [
        {"type": "Replace", "pattern": {"String": _SPACE}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    if has_space:
        decoders.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    metaspace = {"type": "Metaspace", "replacement": _SPACE, "prepend_scheme": scheme, "split": False}
    return {
        **backend,
        "normalizer": None,
        "pre_tokenizer": metaspace,
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": {**backend["model"], "fuse_unk": True, "byte_fallback": True, "dropout": None},
    }


def _mentions(step: object, kind: str) -> bool:
    """Return whether a step, or one of those inside it, is of this kind."""
    if isinstance(step, Mapping):
        return step.get("type") == kind or any(_mentions(inner, kind) for inner in step.values())
    return isinstance(step, list) and any(_mentions(inner, kind) for inner in step)

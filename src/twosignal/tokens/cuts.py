"""Where a text may be cut: takes the definition of a tokenizer, says whether single spaces separate tokens.

Byte-level tokenizers first split a text by a pattern and then merge inside each part, without a
look at its neighbours. With the usual patterns a part holds a space only as its first character,
or is all white space. A text may then be cut before any space that stands between two characters
that are not white space, and the tokens of the halves are the tokens of the whole.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_SUFFIXES = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"

_ALTERNATIVES = frozenset(
    (
        *("'s", "'t", "'re", "'ve", "'m", "'ll", "'d", _SUFFIXES, "'(?i:[sdmt]|ll|ve|re)"),
        *(r"\p{L}+", r" ?\p{L}+", r"[^\r\n\p{L}\p{N}]?\p{L}+"),
        *(r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+", r"[^\r\n\p{L}\p{M}\p{N}]?[\p{L}\p{M}]+"),
        *(f"[^\\r\\n\\p{{L}}\\p{{N}}]?{_UPPER}*{_LOWER}+{end}" for end in ("", f"{_SUFFIXES}?")),
        *(f"[^\\r\\n\\p{{L}}\\p{{N}}]?{_UPPER}+{_LOWER}*{end}" for end in ("", f"{_SUFFIXES}?")),
        *(r"\p{N}", r"\p{N}+", r"\p{N}{1,3}", r"\p{N}{1,2}", r" ?\p{N}+", r"[0-9]", r"\d", r" ?\d+"),
        *(f" ?[^\\s\\p{{L}}\\p{{N}}]+{end}" for end in ("", r"[\r\n]*", r"[\r\n/]*")),
        *(r" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*", r" ?[^\s\p{L}\p{M}\p{N}]+"),
        *(r"\s*[\r\n]+", r"\s*[\r\n]", r"\s+(?!\S)", r"\s+"),
    )
)
"""Parts of the patterns of GPT-2, cl100k, o200k, Llama 3, Qwen and ours, possessive signs left out.

Each matches a space only in front or among white space, and looks neither back nor past white space.
"""


def separates_at_spaces(backend: Mapping[str, Any], added: Iterable[Mapping[str, Any]]) -> bool:
    """Return whether the tokens on both sides of a single space between words are independent of each other.

    `backend` is the contents of tokenizer.json and `added` its added tokens. False wherever
    the definition is not of a kind that is known.
    """
    normalizer, model = backend.get("normalizer"), backend["model"]
    return (
        # Space neither composes nor reorders, so that these two forms change each side on its own.
        (normalizer is None or normalizer.get("type") in ("NFC", "NFD"))
        and model.get("type") == "BPE"
        and not model.get("dropout")
        and _splits(list(_steps(backend.get("pre_tokenizer"))))
        and all(token["special"] or _stays_apart(token) for token in added)
    )


def _steps(pre_tokenizer: Mapping[str, Any] | None) -> Iterator[Mapping[str, Any]]:
    if pre_tokenizer is None:
        return
    if pre_tokenizer.get("type") == "Sequence":
        for inner in pre_tokenizer["pretokenizers"]:
            yield from _steps(inner)
    else:
        yield pre_tokenizer


def _splits(steps: list[Mapping[str, Any]]) -> bool:
    """Return whether the steps end with bytes, split by known patterns, and one of them parts words from spaces."""
    if not steps or steps[-1].get("type") != "ByteLevel" or steps[-1].get("add_prefix_space") is not False:
        return False
    patterns = [_pattern(step) for step in steps[:-1]]
    has_words = steps[-1].get("use_regex") is not False or any(r"\s+" in some for some in patterns)
    return has_words and all(some and _ALTERNATIVES.issuperset(some) for some in patterns)


def _pattern(step: Mapping[str, Any]) -> list[str]:
    """Return the alternatives of a step that splits by a regular expression and keeps all text; else nothing."""
    pattern = step.get("pattern")
    kept = (step.get("behavior"), step.get("invert")) in (("Isolated", False), ("Removed", True))
    if step.get("type") != "Split" or not kept or not isinstance(pattern, Mapping) or "Regex" not in pattern:
        return []
    return alternatives(re.sub(r"(?<=[?+*])\+", "", pattern["Regex"]))


def alternatives(pattern: str) -> list[str]:
    """Return the parts of a regular expression between the bars that stand in no group and no class."""
    parts, start, depth = [], 0, 0
    signs = re.finditer(r"\\.|\[(?:\\.|[^\]\\])*\]|[()|]", pattern, re.DOTALL)
    for sign in signs:
        depth += {"(": 1, ")": -1}.get(sign[0], 0)
        if sign[0] == "|" and not depth:
            parts.append(pattern[start : sign.start()])
            start = sign.end()
    return [*parts, pattern[start:]]


def _stays_apart(token: Mapping[str, Any]) -> bool:
    """Return whether an added token that texts may spell cannot reach over a single space between words."""
    content = token["content"]
    is_blank = content.isspace() and len(content) > 1
    reaches = token.get("lstrip") or token.get("rstrip") or token.get("single_word")
    return not reaches and (is_blank or not any(sign.isspace() for sign in content))

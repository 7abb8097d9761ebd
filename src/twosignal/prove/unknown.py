"""Text the vocabulary does not hold: takes prepared sources, gives the part of S4 that says how much of it would be learned.

A tokenizer of whole words writes one and the same token for every word it does not know. Learned from, that token is
lost data twice: the word is gone, and the model learns to say the token.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from twosignal.packs.prepare import PreparedSource
from twosignal.packs.store import ExampleStore
from twosignal.prove.receipt import Check, not_applicable
from twosignal.tokens.tokenizer import Tokenizer

ID, NAME = "S4", "learned text is in the vocabulary"
MOST = 0.001
"""Share of learned tokens that may be unknown: a rare sign in a large corpus, no more."""


def check_unknown(tokenizer: Tokenizer, sources: Mapping[str, PreparedSource]) -> Check:
    """S4: at most one learned token in a thousand stands for text that the vocabulary does not hold."""
    if tokenizer.unk_id is None:
        return not_applicable(ID, NAME, "the tokenizer can write any text")
    counts = {name: source.store.learned(tokenizer.unk_id) for name, source in sources.items()}
    evidence = {"unknown": {name: unknown for name, (unknown, _) in counts.items()}}
    for name, (unknown, learned) in counts.items():
        if unknown > MOST * learned:
            return _refused(name, tokenizer, sources[name].store, share=unknown / learned, evidence=evidence)
    whole = sum(unknown for unknown, _ in counts.values())
    message = f"{whole:,} learned tokens stand for text the vocabulary does not hold"
    return Check(id=ID, name=NAME, passed=True, message=message, evidence=evidence)


def _refused(
    name: str, tokenizer: Tokenizer, store: ExampleStore, *, share: float, evidence: dict[str, Any]
) -> Check:
    number = next(i for i in range(len(store)) if _is_learned(tokenizer, store, i))
    place = store.origin(number)
    token = tokenizer.decode([tokenizer.unk_id]) if tokenizer.unk_id is not None else ""
    return Check(
        id=ID,
        name=NAME,
        passed=False,
        kind="lost-data",
        message=f"source {name}: {share:.1%} of the learned tokens are {token or 'the unknown token'}, which stands for "
        f"text the vocabulary does not hold, first at {place.file}:{place.line}; {MOST:.1%} are allowed",
        evidence=evidence,
        remedy='Take a tokenizer that falls back to bytes, or train one on these sources: [tokenizer] kind = "bpe".',
    )


def _is_learned(tokenizer: Tokenizer, store: ExampleStore, number: int) -> bool:
    example = store[number]
    return bool(np.any(example.supervised & (example.ids == tokenizer.unk_id)))

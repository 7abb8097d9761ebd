"""Do the answers of the data reach the model? Takes the data as given and each conversation prepared, gives S1's fault.

A template may strip or rewrite what an assistant said before it said something else, such as its
reasoning: the run would then learn turns that nobody wrote.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from twosignal.prove.receipt import Check
from twosignal.prove.trainer.ledger import Whole
from twosignal.prove.trainer.question import CANARIES
from twosignal.tokens.tokenizer import Tokenizer

MOST_COMPARED = 300
"""Conversations whose answers are looked for, evenly spread."""
SHOWN = 160
"""Characters of a missing answer that are shown."""
_REMEDY = (
    "Use a template that keeps what was said, learn the last answer of each conversation only, or cut the "
    "conversations so that each ends with the answer to learn."
)


def check_answers(
    rows: Sequence[Mapping[str, Any]], wholes: Sequence[Whole], tokenizer: Tokenizer
) -> Check | None:
    """Return a failed S1 when answers of the data are not among what is learned of their conversation, else None."""
    numbers = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_COMPARED)).astype(int)).tolist()
    answers = [(number, answer) for number in numbers for answer in _answers(rows[number])]
    missing = [
        (n, said) for n, said in answers if _spelled(said, tokenizer) not in _learned(wholes[n], tokenizer)
    ]
    if not missing:
        return None
    row, answer = missing[0]
    is_there = _spelled(answer, tokenizer) in _folded(tokenizer.decode(wholes[row].ids))
    reason = "the mask leaves them out" if is_there else "the template strips or rewrites them"
    return CANARIES.failed(
        f"{len(missing):,} of {len(answers):,} answers are not learned as they stand in the data, the first in row "
        f"{row}: {reason}",
        kind="wrong-targets" if is_there else "unstable-rendering",
        evidence={"row": row, "answer": answer[:SHOWN], "learned": _learned(wholes[row], tokenizer)[:SHOWN]},
        remedy=_REMEDY,
    )


def _answers(row: Mapping[str, Any]) -> list[str]:
    """Return what assistants say in a row, where it is plain text."""
    messages = row.get("messages") or row.get("completion")
    if not isinstance(messages, Sequence) or isinstance(messages, str):
        return []
    said = [m.get("content") for m in messages if isinstance(m, Mapping) and m.get("role") == "assistant"]
    return [text for text in said if isinstance(text, str) and text.strip()]


def _learned(whole: Whole, tokenizer: Tokenizer) -> str:
    """Return the learned tokens as text, white space folded, control tokens left out."""
    ids = [token for token, is_learned in zip(whole.ids, whole.learned, strict=True) if is_learned]
    return _folded(tokenizer.decode(ids))


def _spelled(text: str, tokenizer: Tokenizer) -> str:
    """Return a text as it reads once tokenized: some tokenizers drop or change characters."""
    return _folded(tokenizer.decode(tokenizer.encode(text)))


def _folded(text: str) -> str:
    return "".join(text.split())

"""What a copied run means: takes a text's compression, its longest run and its loss, gives a `Verdict`.

| zlib ratio of the text | longest run that says something | loss of the text | verdict |
|---|---|---|---|
| 4 or more | any | any | repetitive: a loop, not a copy |
| less | 50 tokens or more, and 100 bytes | any | memorized |
| less | 20 tokens or more, and 50 bytes | any | suspect: keep watching |
| less | shorter | below 0.20 | predictable, or a short answer |
| less | shorter | 0.20 or more, or not known | novel |

50 tokens are the measure of Nasr et al. 2023 (arXiv:2311.17035); the bytes keep it apart from set phrases where a
token is a character. A run that itself compresses fourfold, such as a ruled line, says nothing.
"""

import zlib
from typing import Final, Literal

from twosignal.audits.outliers import REPETITION_RATIO
from twosignal.audits.tiers import ALERT_LOSS

CopyVerdict = Literal["repetitive", "memorized", "suspect", "predictable", "novel"]

MEMORIZED_TOKENS: Final = 50
MEMORIZED_BYTES: Final = 100
SUSPECT_TOKENS: Final = 20
SUSPECT_BYTES: Final = 50


def zlib_ratio(text: bytes) -> float:
    """Return bytes per compressed byte; prose of a few hundred bytes has 1.6, a loop 10 and more, nothing has 1."""
    return len(text) / len(zlib.compress(text)) if text else 1.0


def says_something(run: bytes) -> bool:
    """Return whether a run is more than one thing over and over."""
    return zlib_ratio(run) < REPETITION_RATIO


def decide(
    ratio: float,
    *,
    longest_tokens: int,
    longest_bytes: int,
    loss: float | None = None,
    alert: float = ALERT_LOSS,
) -> CopyVerdict:
    """Return the verdict of the table above; `loss` is in nats per token, None or nan where not known.

    `alert` takes the place of 0.20.
    """
    if ratio >= REPETITION_RATIO:
        return "repetitive"
    if longest_tokens >= MEMORIZED_TOKENS and longest_bytes >= MEMORIZED_BYTES:
        return "memorized"
    if longest_tokens >= SUSPECT_TOKENS and longest_bytes >= SUSPECT_BYTES:
        return "suspect"
    return "predictable" if loss is not None and loss < alert else "novel"

"""What every character is: takes nothing, gives tables over code points, made once from `unicodedata`.

The tables hold the basic plane; code points beyond it are folded into the private-use area, where letters stay
letters (old scripts, rare ideographs) and emoji stay signs.
"""

import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Hashes = NDArray[np.uint64]
LAST = 0xFFFF
FOLDED = 3000
FOLDED_LETTERS, FOLDED_SIGNS = 0xE000, 0xE000 + FOLDED
SPACE, MARK, SIGN, WORD, DIGIT, DENSE, UNSPACED = 0, 1, 2, 4, 5, 6, 7
"""Kinds: white space and control, sentence punctuation, other signs; from WORD on a character has content:
letters of scripts that put spaces between words, digits, letters that are syllables or words (Chinese,
kana), and letters of scripts without spaces (Thai, Lao, Khmer, Burmese, Tibetan)."""
SENTENCE_MARKS = frozenset(".,;:!?'\"-()")
"""Of ASCII; beyond it all punctuation is taken for marks of sentences."""
UNSPACED_BLOCKS = ((0x0E00, 0x0EFF), (0x0F00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x1980, 0x19DF))
DENSE_BLOCKS = ((0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3040, 0x31FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF))

SCRIPTS: tuple[tuple[str, tuple[tuple[int, int], ...]], ...] = (
    ("Latin", ((0x41, 0x24F), (0x1E00, 0x1EFF))),
    ("Cyrillic", ((0x400, 0x52F),)),
    ("Greek", ((0x370, 0x3FF), (0x1F00, 0x1FFF))),
    ("Arabic", ((0x600, 0x6FF), (0x750, 0x77F), (0xFB50, 0xFDFF), (0xFE70, 0xFEFF))),
    ("Hebrew", ((0x590, 0x5FF),)),
    ("Devanagari", ((0x900, 0x97F),)),
    ("Bengali", ((0x980, 0x9FF),)),
    ("Gurmukhi", ((0xA00, 0xA7F),)),
    ("Gujarati", ((0xA80, 0xAFF),)),
    ("Tamil", ((0xB80, 0xBFF),)),
    ("Telugu", ((0xC00, 0xC7F),)),
    ("Kannada", ((0xC80, 0xCFF),)),
    ("Malayalam", ((0xD00, 0xD7F),)),
    ("Thai", ((0xE00, 0xE7F),)),
    ("Lao", ((0xE80, 0xEFF),)),
    ("Tibetan", ((0xF00, 0xFFF),)),
    ("Burmese", ((0x1000, 0x109F),)),
    ("Georgian", ((0x10A0, 0x10FF),)),
    ("Hangul", ((0x1100, 0x11FF), (0x3130, 0x318F), (0xAC00, 0xD7AF))),
    ("Ethiopic", ((0x1200, 0x139F),)),
    ("Khmer", ((0x1780, 0x17FF),)),
    ("Armenian", ((0x530, 0x58F),)),
    ("kana", ((0x3040, 0x30FF), (0x31F0, 0x31FF))),
    ("Han", ((0x3400, 0x9FFF), (0xF900, 0xFAFF))),
)
"""Names of scripts and their code points; a letter of none of them has no script."""
LATIN = 1
"""Number of the first of them."""


@cache
def kinds() -> Bytes:
    """Return the kind of every code point, uint8 of shape (65536,)."""
    table = np.zeros(LAST + 1, dtype=np.uint8)
    for code in range(LAST + 1):
        table[code] = _kind(chr(code))
    for blocks, kind in ((UNSPACED_BLOCKS, UNSPACED), (DENSE_BLOCKS, DENSE)):
        for first, last in blocks:
            part = table[first : last + 1]
            part[part == WORD] = kind
    return table


@cache
def scripts() -> Bytes:
    """Return the number of every letter's script in `SCRIPTS`, counted from 1; 0 for all that is no letter."""
    table = np.zeros(LAST + 1, dtype=np.uint8)
    for number, (_, blocks) in enumerate(SCRIPTS, start=1):
        for first, last in blocks:
            table[first : last + 1] = number
    table[(kinds() < WORD) | (kinds() == DIGIT)] = 0
    return table


def codes_of(text: str) -> NDArray[np.uint16]:
    """Return the code points of `text`, uint16 of shape (characters,), the ones beyond the plane folded."""
    wide = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    if wide.max(initial=0) > LAST:
        return np.fromiter(map(_folded, wide.tolist()), dtype=np.uint16, count=len(wide))
    return wide.astype(np.uint16)


def _folded(code: int) -> int:
    if code <= LAST:
        return code
    first = FOLDED_LETTERS if unicodedata.category(chr(code))[0] in "LM" else FOLDED_SIGNS
    return first + code % FOLDED


def _kind(character: str) -> int:
    if FOLDED_LETTERS <= ord(character) < FOLDED_LETTERS + 2 * FOLDED:
        return WORD if ord(character) < FOLDED_SIGNS else SIGN
    category = unicodedata.category(character)
    if category[0] in "LM":
        return WORD
    if category[0] == "N":
        return DIGIT
    if character.isspace() or category[0] in "CZ":
        return SPACE
    is_foreign_mark = category[0] == "P" and not character.isascii()
    return MARK if is_foreign_mark or character in SENTENCE_MARKS else SIGN

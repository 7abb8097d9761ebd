"""How varied and how English a text is: takes a text, gives a `CoherenceScore` of 0 to 100.

`classic_score` is the score of the ANDREA lessons: bigram diversity 0-35, trigram diversity 0-35,
English words 0-20, character diversity 0-10. The lessons give the four parts and their ranges, not
the normalisation; ours is

    bigram     35 x distinct / all pairs of neighbouring words, words being cut at white space
    trigram    35 x distinct / all triples
    english    20 x share of words in the English list; a word is reduced to its letters, in lower case,
               and words without a letter (numbers, signs) do not count
    character  10 x min(1, distinct characters / 30); the space between words is a character

It calls word salad coherent and lets loops of real words keep up to 30 points, so it is one signal of
several. `character_score` is the same idea for text whose words white space does not show.
"""

import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from wordfreq import get_frequency_dict

NGRAM_POINTS = 35.0
ENGLISH_POINTS = 20.0
CHARACTER_POINTS = 10.0
FULL_ALPHABET = 30
COMMON_FREQUENCY = 1e-6
"""Below this the English list holds a tenth of all random letter strings."""
CHARACTER_NGRAMS = (4, 8)
"""Lengths that stand in for pairs and triples of words in `character_score`."""

_NOT_LETTERS = re.compile(r"[^\w\s]|[\d_]")
_NOT_ASCII_LETTERS = bytes(code for code in range(128) if _NOT_LETTERS.match(chr(code)))


@dataclass(frozen=True, slots=True, kw_only=True)
class CoherenceScore:
    """Four parts and their total; more is better."""

    bigram: float
    """0 to 35: distinct share of neighbouring pairs."""
    trigram: float
    """0 to 35: distinct share of neighbouring triples."""
    english: float
    """0 to 20: share of words in the English list."""
    character: float
    """0 to 10: distinct characters, full from 30 on."""

    @property
    def total(self) -> float:
        """Sum of the four parts, 0 to 100."""
        return self.bigram + self.trigram + self.english + self.character

    @property
    def diversity(self) -> float:
        """Bigram and trigram part together, 0 to 70; near zero in any loop, whatever its words."""
        return self.bigram + self.trigram

    def as_dict(self) -> dict[str, float]:
        """Return the parts and the total, rounded to two places."""
        return {
            "total": round(self.total, 2),
            "bigram": round(self.bigram, 2),
            "trigram": round(self.trigram, 2),
            "english": round(self.english, 2),
            "character": round(self.character, 2),
        }


def classic_score(text: str) -> CoherenceScore:
    """Return the classic score of `text`; a part that has nothing to count (one word, no text) is 0."""
    words = text.split()
    return CoherenceScore(
        bigram=NGRAM_POINTS * _share(len(set(pairwise(words))), len(words) - 1),
        trigram=NGRAM_POINTS
        * _share(len(set(zip(words, words[1:], words[2:], strict=False))), len(words) - 2),
        english=ENGLISH_POINTS * english_share(text),
        character=_character_part(" ".join(words)),
    )


def character_score(text: str) -> CoherenceScore:
    """Return the score of a text without spaces between words, as Chinese, Thai, or a single endless word.

    Distinct shares of 4- and 8-character windows take the place of word pairs and triples. The English
    part has no meaning here and gets their mean share, so that the total keeps its range and threshold.
    White space counts as it stands: a page of line breaks is a loop.
    """
    short, long = (
        _share(len({text[i : i + n] for i in range(len(text) - n + 1)}), len(text) - n + 1)
        for n in CHARACTER_NGRAMS
    )
    return CoherenceScore(
        bigram=NGRAM_POINTS * short,
        trigram=NGRAM_POINTS * long,
        english=ENGLISH_POINTS * (short + long) / 2,
        character=_character_part(text),
    )


def english_share(text: str) -> float:
    """Return the share of words with a letter that are common English, 0 to 1; 0 without such words."""
    lower = text.lower()
    if lower.isascii():
        words = lower.encode().translate(None, _NOT_ASCII_LETTERS).decode().split()
    else:
        words = _NOT_LETTERS.sub("", lower).split()
    return _share(sum(map(_common_english().__contains__, words)), len(words))


@cache
def _common_english() -> frozenset[str]:
    frequencies: dict[str, float] = get_frequency_dict("en", wordlist="best")
    return frozenset(word for word, frequency in frequencies.items() if frequency >= COMMON_FREQUENCY)


def _share(part: int, whole: int) -> float:
    return part / whole if whole > 0 else 0.0


def _character_part(text: str) -> float:
    return CHARACTER_POINTS * min(1.0, len(set(text)) / FULL_ALPHABET)

"""What words and letters are usual: takes nothing, gives tables made once from the `wordfreq` lists.

lexicon().rows(hashes)    which known word a token is, and with it
    .languages            in which languages the word is among the usual ones
    .traits               whether it is English, an English function word, or the torn-off end of a word
    .roles                what an English function word does in a sentence
letter_costs()            how surprising a letter is after another, over all languages of its script
"""

import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from wordfreq import available_languages, get_frequency_list

from twosignal.audits.characters import LAST, WORD, Bytes, Hashes, Ints, codes_of, kinds, scripts
from twosignal.audits.reading import hash_runs

USUAL_WORDS = 4000
"""Words taken of each language."""
ENGLISH_WORDS = 30_000
FUNCTION_WORDS = 120
"""The most frequent English words: without them there is no sentence."""
UNSUITED = frozenset({"zh", "ja", "ko"})
"""Lists of pieces that a segmenter cut; spaces do not show them."""
LETTERED = 7
"""The first scripts of `SCRIPTS`, Latin to Bengali, have alphabets whose order is learned from the lists."""
SEEN_LETTERS = 200
"""Uses of a letter before the lists say anything about it."""
ENGLISH, FUNCTION, FRAGMENT = 1, 2, 4
"""Bits of `Lexicon.traits`."""
FRAGMENT_LENGTHS = range(2, 8)
FRAGMENT_USE = 2e-5
"""How often, per word of English, words must end so for the ending to count."""
FRAGMENT_RATIO = 10.0
"""How much more often it must be an ending than a word of its own in any language."""
COST_UNIT = 16.0
"""`letter_costs` counts in sixteenths of a bit."""
ROLES = (
    "",
    "a an the my your our their its every",
    "of to for with at from into",
    "in on by about over through after up out down off under during without between",
    "and or but nor",
    "is was are were am has had will would can could should may might must does did",
    "i he she we they",
    "me him them us",
    "this these those",
    "if because although unless",
)
"""Words by what they do: nothing, determiner, preposition, adverb as well as preposition, conjunction, finite
verb, subject, object, pointer, opener of a clause."""
_SLOT_BITS = 21


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """Usual words of many languages; row 0 stands for every other token."""

    names: tuple[str, ...]
    """Language codes, one per column of `languages`."""
    hashes: Hashes
    """Hash of every word, shape (words + 1,)."""
    slots: NDArray[np.int32]
    """Row of the word whose hash begins with the slot's number."""
    languages: Bytes
    """1 where a word is usual in a language, shape (words + 1, languages)."""
    traits: Bytes
    """Bits of each word, shape (words + 1,)."""
    roles: Bytes
    """Place in `ROLES` of each word, shape (words + 1,)."""

    def rows(self, hashes: Hashes) -> Ints:
        """Return the row of each token's word, 0 for tokens that are no usual word."""
        rows = np.take(self.slots, hashes >> np.uint64(64 - _SLOT_BITS), mode="clip").astype(np.int64)
        return np.where(self.hashes[rows] == hashes, rows, 0)


@cache
def lexicon() -> Lexicon:
    """Return the usual words of every language with spaces that `wordfreq` knows."""
    names = languages_with_spaces()
    rows: dict[str, int] = {}
    pairs = []
    for column, name in enumerate(names):
        for place, word in enumerate(usual_words(name)):
            row = rows.setdefault(word, len(rows) + 1)
            if place < USUAL_WORDS:
                pairs.append((row, column))
    fragments = word_endings(frozenset(rows))
    for word in fragments:
        rows.setdefault(word, len(rows) + 1)
    languages = np.zeros((len(rows) + 1, len(names)), dtype=np.uint8)
    languages[tuple(np.array(pairs).T)] = 1
    hashes = np.concatenate((np.zeros(1, dtype=np.uint64), hash_words(list(rows))))
    slots = np.zeros(1 << _SLOT_BITS, dtype=np.int32)
    slots[(hashes[:0:-1] >> np.uint64(64 - _SLOT_BITS)).astype(np.int64)] = np.arange(len(rows), 0, -1)
    traits = np.zeros(len(rows) + 1, dtype=np.uint8)
    for bit, chosen in (
        (ENGLISH, usual_words("en")),
        (FUNCTION, usual_words("en")[:FUNCTION_WORDS]),
        (FRAGMENT, fragments),
    ):
        traits[[rows[word] for word in chosen]] |= bit
    roles = np.zeros(len(rows) + 1, dtype=np.uint8)
    for role, text in enumerate(ROLES):
        roles[[rows[word] for word in text.split()]] = role
    return Lexicon(names=names, hashes=hashes, slots=slots, languages=languages, traits=traits, roles=roles)


def languages_with_spaces() -> tuple[str, ...]:
    """Return the codes of the languages whose word lists are used."""
    return tuple(sorted(set(available_languages("small")) - UNSUITED))


@cache
def usual_words(language: str) -> tuple[str, ...]:
    """Return the usual words of a language that are one token each, the most frequent first."""
    most = ENGLISH_WORDS if language == "en" else USUAL_WORDS
    return tuple(word for word, _ in _ranked(language, most))


def word_endings(own: frozenset[str]) -> tuple[str, ...]:
    """Return the ends that English words share and that are hardly words themselves, as "ing" and "tion"."""
    uses: dict[str, float] = defaultdict(float)
    for word, frequency in _ranked("en", ENGLISH_WORDS):
        for length in FRAGMENT_LENGTHS:
            if len(word) >= length + 3:
                uses[word[-length:]] += frequency
    usual = {ending: 0.0 for ending in uses if ending in own}
    for name in languages_with_spaces():
        for word, frequency in _ranked(name, ENGLISH_WORDS if name == "en" else USUAL_WORDS):
            if word in usual:
                usual[word] = max(usual[word], frequency)
    return tuple(
        ending
        for ending, use in uses.items()
        if use >= FRAGMENT_USE and use >= FRAGMENT_RATIO * usual.get(ending, 0.0)
    )


def hash_words(words: list[str]) -> Hashes:
    """Return the hash that a reading gives each of `words`."""
    codes = codes_of("\n".join(words) + "\n")
    lengths = np.array([len(word) + 1 for word in words])
    return hash_runs(codes, kinds()[codes] >= WORD, np.cumsum(lengths) - lengths)


@cache
def letters() -> NDArray[np.int32]:
    """Return the number of every code point's base letter, int32 of shape (65536,); 0 for all that is no letter.

    Accents are taken off, so that the letters of a language that is in no list are those of its neighbours;
    letters that the lists hardly use have no number.
    """
    uses: dict[str, int] = defaultdict(int)
    for name in languages_with_spaces():
        for letter, count in Counter("".join(usual_words(name)[:USUAL_WORDS])).items():
            uses[_base(letter)] += count
    seen = sorted(base for base, count in uses.items() if count >= SEEN_LETTERS)
    numbers = {base: number for number, base in enumerate(seen, start=1)}
    table = np.zeros(LAST + 1, dtype=np.int32)
    for code in np.flatnonzero((scripts() > 0) & (scripts() <= LETTERED) & (kinds() == WORD)):
        table[code] = numbers.get(_base(chr(code)), 0)
    return table


@cache
def letter_costs() -> Bytes:
    """Return the cost of letter b after letter a, shape (letters, letters); 0 where the lists say nothing."""
    table = letters()
    size = int(table.max()) + 1
    pairs = np.zeros((size, size))
    for name in languages_with_spaces():
        ids = table[codes_of("\n" + "\n".join(usual_words(name)[:USUAL_WORDS]) + "\n")]
        pairs += np.bincount(ids[:-1] * size + ids[1:], minlength=size * size).reshape(size, size)
    script = np.zeros(size, dtype=np.int64)
    script[table] = scripts() * (table > 0)
    pairs += 0.5 * (script[:, None] == script[None, :]) + 0.02
    bits = -np.log2(pairs / pairs.sum(1, keepdims=True))
    bits[0], bits[:, 0] = 0, 0
    costs: Bytes = np.minimum(np.round(bits * COST_UNIT), 255).astype(np.uint8)
    return costs


def _base(letter: str) -> str:
    return unicodedata.normalize("NFKD", letter.lower())[0]


@cache
def _ranked(language: str, most: int) -> tuple[tuple[str, float], ...]:
    """Return words of one token with their frequencies; bin n of the list holds those of 10**(-n/100)."""
    found: list[tuple[str, float]] = []
    for number, words in enumerate(get_frequency_list(language, "small")):
        found += [(word, 10 ** (-number / 100)) for word in words if word.isalpha() or _is_word(word)]
        if len(found) >= most:
            break
    return tuple(found[:most])


def _is_word(word: str) -> bool:
    table = kinds()
    return all(table[min(ord(letter), LAST)] == WORD for letter in word)

"""Words that make no sentence: takes a page, gives stretches of torn-off word ends, and of words in no order.

A model that has lost its context draws words by frequency alone: determiners stand before prepositions,
prepositions before verbs. One that draws from the whole vocabulary alike has hardly any function words, or
only ends of words. Both need the words of a language; only English is judged here, and only in running text.
"""

import numpy as np

from twosignal.audits.characters import WORD, Bools, Bytes, Ints
from twosignal.audits.lexicon import ENGLISH, FRAGMENT, FUNCTION, lexicon
from twosignal.audits.profiles import DATA, PROSE
from twosignal.audits.reading import Reading
from twosignal.audits.windows import Flagged, Scale, flag

FRAGMENT_SCALES = (
    Scale(28, 12, (0.33, 0.33, 0.45, 0.70)),
    Scale(12, 10, (0.52, 0.52, 0.65, 0.85)),
)
"""Share of torn-off ends among the words from which a window is their soup."""
SALAD_SCALES = ((60, 4), (120, 5), (200, 6))
"""Words in a window, and impossible neighbours, all but one of them different, from which it has no order."""
BARE_WIDTH = 120
"""Words in a window."""
LEAST_WORDS = 35
ENGLISH_SHARE = 0.6
"""Share of English words from which a window may be English."""
ENGLISH_LEAD = 0.15
"""How far that share must lie above the share of any other language's words."""
FUNCTION_SHARE = 0.17
"""Share of function words below which English words are no sentences."""
BROKEN_SHARE = 0.25
"""Share of words that do not follow the one before by a single space, from which words are a list."""
(
    _DETERMINER,
    _PREPOSITION,
    _PARTICLE,
    _CONJUNCTION,
    _FINITE,
    _SUBJECT,
    _OBJECT,
    _POINTER,
    _OPENER,
) = range(1, 10)
IMPOSSIBLE = np.zeros((10, 10), dtype=np.bool_)
"""Roles that do not follow each other: row before column."""
IMPOSSIBLE[_DETERMINER, 1:] = True
IMPOSSIBLE[_PREPOSITION, (_CONJUNCTION, _FINITE, _SUBJECT)] = True
IMPOSSIBLE[_CONJUNCTION, _CONJUNCTION] = True
IMPOSSIBLE[_FINITE, _FINITE] = True
IMPOSSIBLE[_SUBJECT, (_DETERMINER, _PREPOSITION, _SUBJECT, _OBJECT, _POINTER)] = True
IMPOSSIBLE[_POINTER, (_DETERMINER, _SUBJECT)] = True
IMPOSSIBLE[_OPENER, (_PREPOSITION, _CONJUNCTION, _FINITE)] = True


def find_fragments(reading: Reading, profiles: Bytes, rows: Ints) -> list[Flagged]:
    """Return stretches of torn-off word ends, in tokens; the value is their share of the words."""
    is_word = reading.token_kinds == WORD
    return flag(
        (lexicon().traits[rows] & FRAGMENT) > 0,
        is_word,
        scales=FRAGMENT_SCALES,
        over=reading.tokens,
        profiles=profiles,
    )


def find_salad(reading: Reading, profiles: Bytes, rows: Ints) -> list[Flagged]:
    """Return stretches of English words in no order, in tokens; the value is the share of impossible neighbours."""
    words = lexicon()
    impossible = _impossible(reading, words.roles[rows])
    is_english = (words.traits[rows] & ENGLISH) > 0
    found: dict[int, Flagged] = {}
    for width, least in SALAD_SCALES:
        wide = reading.tokens.windows(width)
        bad = wide.sums(impossible)
        is_flagged = (bad >= least) & (profiles[wide.texts] != DATA)
        if is_flagged.any():
            is_flagged &= wide.sums(is_english) >= ENGLISH_SHARE * wide.sizes
        for at in np.flatnonzero(is_flagged).tolist():
            inside = slice(int(wide.edges[wide.first[at]]), int(wide.edges[wide.last[at]]))
            places = np.flatnonzero(impossible[inside]) + inside.start
            pairs = set(zip(rows[places - 1].tolist(), rows[places].tolist(), strict=True))
            is_flagged[at] = len(pairs) >= least - 1
        for one in wide.stretches(is_flagged, bad / np.maximum(wide.sizes, 1)):
            found.setdefault(one.text, one)
    return list(found.values())


def find_bare_words(reading: Reading, profiles: Bytes, rows: Ints) -> list[Flagged]:
    """Return stretches of English words with hardly a function word, in tokens; the value is the share of others."""
    words = lexicon()
    traits = words.traits[rows]
    wide = reading.tokens.windows(BARE_WIDTH)
    size = np.maximum(wide.sizes, 1)
    function = wide.sums((traits & FUNCTION) > 0) / size
    suspect = (function < FUNCTION_SHARE) & (size >= LEAST_WORDS) & (profiles[wide.texts] == PROSE)
    if not suspect.any():
        return []
    english = wide.sums((traits & ENGLISH) > 0) / size
    suspect &= (english >= ENGLISH_SHARE) & (
        wide.sums(~_follows(reading, np.arange(len(rows)))) <= BROKEN_SHARE * size
    )
    for at in np.flatnonzero(suspect).tolist():
        inside = slice(int(wide.edges[wide.first[at]]), int(wide.edges[wide.last[at]]))
        known = words.languages[rows[inside]].sum(0) / size[at]
        known[words.names.index("en")] = 0
        suspect[at] = english[at] - known.max() >= ENGLISH_LEAD
    return wide.stretches(suspect, 1 - function)


def _follows(reading: Reading, places: Ints) -> Bools:
    """Return whether one space alone stands between each of the tokens at `places` and the one before it."""
    gaps = reading.starts[places] - 2
    found: Bools = (reading.kinds[gaps] >= WORD) & (reading.codes[gaps + 1] == ord(" ")) & (gaps >= 0)
    return found


def _impossible(reading: Reading, roles: Bytes) -> Bools:
    """Return whether each token cannot stand behind the one before it."""
    bad = np.zeros(len(roles), dtype=np.bool_)
    bad[1:] = np.take(IMPOSSIBLE.ravel(), roles[:-1] * np.uint8(len(IMPOSSIBLE)) + roles[1:], mode="clip")
    bad[1:] |= (reading.hashes[1:] == reading.hashes[:-1]) & (roles[1:] > 0)
    places = np.flatnonzero(bad)
    bad[places] = _follows(reading, places)
    return bad

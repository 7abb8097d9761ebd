"""Letters that make no words: takes a page, gives the stretches of its texts that are letters at random, or signs alone.

Random letters are told by how rarely their neighbours are neighbours in any language of the script, so that a
language in no list passes. Fluent babble, syllables without meaning, passes that test; it is told by its words,
none of which is known and none of which comes twice, as no language does for long.
"""

import numpy as np

from twosignal.audits.characters import LATIN, MARK, SIGN, WORD, Bytes, Ints, scripts
from twosignal.audits.lexicon import COST_UNIT, letter_costs, letters
from twosignal.audits.profiles import PROSE
from twosignal.audits.reading import Reading
from twosignal.audits.windows import NEVER, Flagged, Scale, flag

LETTER_SCALES = (
    Scale(150, 40, (6.15, 6.15, 6.4, 6.8)),
    Scale(60, 24, (6.75, 6.75, 6.95, 7.4)),
)
"""Mean cost in bits of a pair of letters from which a window is random. Languages, listed or not, stay below
6.1; letters drawn at random are above 6.4."""
SIGN_SCALES = (
    Scale(150, 30, (0.50, 0.50, 0.60, 0.93)),
    Scale(60, 30, (0.65, 0.65, 0.75, 0.985)),
)
"""Share of signs among all that is written from which a window has no content; a rule of equal signs is one."""
EMPTY_SCALES = (Scale(150, 120, (0.95, 0.95, 0.97, NEVER)),)
"""The same with every sign of a rule counted: no rule is as long as that."""
CODED_LENGTH = 40
"""Characters from which a run without spaces may be a code."""
CODED_DIGITS = 0.04
CODED_LETTERS = 6
"""Different letters up to which a run is a sequence, as DNA is."""
BABBLE_WIDTH = 120
"""Words in a window."""
LEAST_BABBLE = 45
BABBLE_UNKNOWN = 0.92
"""Share of words that are usual in no language."""


def find_random_letters(reading: Reading, profiles: Bytes) -> list[Flagged]:
    """Return stretches of random letters, in characters; the value is in bits per pair of letters."""
    ids = np.take(letters(), reading.codes, mode="clip")
    costs = np.zeros(len(ids), dtype=np.uint8)
    table = letter_costs()
    np.take(table.ravel(), ids[:-1] * len(table) + ids[1:], mode="clip", out=costs[:-1])
    return flag(
        costs,
        costs > 0,
        scales=LETTER_SCALES,
        over=reading.characters,
        profiles=profiles,
        unit=COST_UNIT,
    )


def find_sign_soup(reading: Reading, profiles: Bytes) -> list[Flagged]:
    """Return stretches of signs without words or numbers, in characters; the value is the share of signs."""
    every = (reading.kinds == MARK) | (reading.kinds == SIGN)
    is_sign = every.copy()
    is_sign[1:] &= reading.codes[1:] != reading.codes[:-1]
    is_content = reading.kinds >= WORD
    over = reading.characters
    found = flag(is_sign, is_sign | is_content, scales=SIGN_SCALES, over=over, profiles=profiles)
    known = {one.text for one in found}
    empty = flag(every, every | is_content, scales=EMPTY_SCALES, over=over, profiles=profiles)
    return found + [one for one in empty if one.text not in known]


def is_coded(text: str) -> bool:
    """Return whether letters without order may be meant so: a key, a hash, base64, DNA, in runs without spaces."""
    longest = max(text.split(), key=len, default="")
    if len(longest) < CODED_LENGTH or 2 * len(longest) < len(text):
        return False
    num_digits = sum(map(str.isdigit, longest))
    return (
        num_digits >= CODED_DIGITS * len(longest) or longest.isupper() or len(set(longest)) <= CODED_LETTERS
    )


def find_babble(reading: Reading, profiles: Bytes, rows: Ints) -> list[Flagged]:
    """Return stretches of words that no language knows and that never recur, in tokens; the value is their share."""
    is_word = (reading.token_kinds == WORD) & (profiles[reading.texts] == PROSE)
    wide = reading.tokens.windows(BABBLE_WIDTH)
    strange = wide.sums(is_word & (rows == 0))
    suspect = strange >= BABBLE_UNKNOWN * LEAST_BABBLE
    if not suspect.any():
        return []
    unknown = strange / np.maximum(wide.sums(is_word), 1)
    suspect &= unknown >= BABBLE_UNKNOWN
    for at in np.flatnonzero(suspect).tolist():
        inside = slice(int(wide.edges[wide.first[at]]), int(wide.edges[wide.last[at]]))
        words = np.flatnonzero(is_word[inside]) + inside.start
        is_latin = scripts()[reading.codes[reading.starts[words]]] == LATIN
        suspect[at] = is_latin.all() and len(np.unique(reading.hashes[words])) == len(words)
    return wide.stretches(suspect, unknown)

"""Loops: takes a page, gives the stretches of its texts in which the same few words come round again and again.

A token is *echoed* when the run of tokens it lies in stood at least twice before within the last few hundred
tokens. The run is short (two words in running text), so that a loop whose words change here and there, or whose
template has gaps, is echoed all but the changes; and nothing is asked about the period, so that it may drift.
Lists, verse, tables and code repeat themselves rightly: there a run must be longer or come back more often.
"""

import numpy as np

from twosignal.audits.characters import DIGIT, Bools, Bytes, Hashes, Ints
from twosignal.audits.profiles import DATA, LINES, LISTED, PROSE
from twosignal.audits.reading import Reading, spread
from twosignal.audits.windows import NEVER, Flagged, Scale, flag

RUNS = np.array(
    [
        [2, 2, 2, 2, 2, 2, 5, 8],
        [4, 4, 4, 4, 4, 4, 5, 8],
        [2, 2, 2, 2, 2, 2, 5, 8],
        [6, 6, 6, 6, 6, 6, 9, 12],
    ]
)
"""Tokens in a run, by profile and by kind of its first token."""
EARLIER = {PROSE: 2, LISTED: 2, LINES: 4, DATA: 5}
"""How often a run must have stood before."""
REACH = {PROSE: 300, LISTED: 300, LINES: 400, DATA: 400}
"""Tokens within which all of these stand."""
SCALES = (
    Scale(40, 10, (0.68, 0.68, 0.86, 0.97)),
    Scale(28, 20, (0.80, 0.80, 0.92, 0.97)),
    Scale(20, 18, (NEVER, NEVER, 1.00, NEVER)),
    Scale(12, 9, (1.00, 1.00, NEVER, NEVER)),
)
"""Share of echoed tokens from which a window is a loop."""
PASSAGE = 12
"""Tokens of a run that stands twice in a text only if a passage of it does."""
PASSAGE_SHARE = 0.4
"""Share of the text that is such repetition from which it is a loop of passages."""
LEAST_PASSAGE = 40
_SALT = np.uint64(0xC2B2AE3D27D4EB4F)


def find_loops(reading: Reading, profiles: Bytes) -> list[Flagged]:
    """Return the looping stretch of every text that has one, in tokens; the value is the share echoed."""
    if not len(reading.starts):
        return []
    of_token = profiles[reading.texts]
    hashes = _without_numbers(reading, of_token)
    return flag(
        _echoed(reading, hashes, of_token),
        None,
        scales=SCALES,
        over=reading.tokens,
        profiles=profiles,
    )


def find_passages(reading: Reading, profiles: Bytes) -> list[Flagged]:
    """Return, for running texts that are mostly passages said again, the stretch from the first repetition on."""
    long = np.flatnonzero((np.diff(reading.tokens.bounds) >= 2 * LEAST_PASSAGE) & (profiles == PROSE))
    if not len(long):
        return []
    length = np.full(len(reading.starts), PASSAGE)
    keys, order = _sorted_runs(reading, reading.hashes, length)
    again = order[1:][keys[1:] == keys[:-1]]
    is_again = _covered(again, length, len(length))
    found = []
    for text in long.tolist():
        first, last = reading.tokens.bounds[text : text + 2].tolist()
        places = np.flatnonzero(is_again[first:last])
        if len(places) >= max(LEAST_PASSAGE, PASSAGE_SHARE * (last - first)):
            found.append(
                Flagged(
                    text=text,
                    start=first + int(places[0]),
                    stop=first + int(places[-1]) + 1,
                    value=len(places) / (last - first),
                )
            )
    return found


def _without_numbers(reading: Reading, profiles: Bytes) -> Hashes:
    """Return the tokens' hashes, all numbers alike in running text, and in lists those that count the lines."""
    is_number = (reading.token_kinds == DIGIT) & (profiles != DATA)
    opens = (reading.codes[reading.starts - 1] == ord("\n")) | (reading.starts == 0)
    return np.where(is_number & (opens | (profiles == PROSE)), np.uint64(1), reading.hashes)


def _echoed(reading: Reading, hashes: Hashes, profiles: Bytes) -> Bools:
    """Return whether each token lies in a run that stood often enough before."""
    lengths = np.take(RUNS.ravel(), profiles * np.uint8(RUNS.shape[1]) + reading.token_kinds, mode="clip")
    keys, order = _sorted_runs(reading, hashes, lengths)
    hits = []
    for earlier in sorted(set(EARLIER.values())):
        same = keys[earlier:] == keys[:-earlier]
        places, before = order[earlier:][same], order[:-earlier][same]
        for profile, times in EARLIER.items():
            if times == earlier:
                near = (profiles[places] == profile) & (places - before <= REACH[profile])
                hits.append(places[near])
    return _covered(np.concatenate(hits), lengths, len(lengths))


def _sorted_runs(reading: Reading, hashes: Hashes, lengths: Ints) -> tuple[Hashes, Ints]:
    """Return the hashes of all runs in ascending order, equal ones by place, and their places.

    Hash and place share one number, so that one plain sort does. Runs of two texts never agree, nor do runs
    that reach past the end of theirs.
    """
    count = len(lengths)
    salted = hashes ^ (reading.texts.astype(np.uint64) * _SALT)
    runs = spread(salted, lengths)
    places = np.arange(count)
    past = np.flatnonzero(places + lengths > reading.tokens.bounds[1:][reading.texts])
    runs[past] = (past.astype(np.uint64) + np.uint64(1)) * _SALT
    bits = np.uint64(count.bit_length())
    mask = np.uint64((1 << count.bit_length()) - 1)
    keys = (runs & ~mask) | places.astype(np.uint64)
    keys.sort()
    return keys >> bits, (keys & mask).astype(np.int64)


def _covered(places: Ints, lengths: Ints, count: int) -> Bools:
    """Return whether each of `count` tokens lies in one of the runs that begin at `places`."""
    opened = np.bincount(places, minlength=count + 1)
    closed = np.bincount(places + lengths[places], minlength=count + 1)
    covered: Bools = np.cumsum(opened - closed[: count + 1])[:count] > 0
    return covered

"""What sort of text it is: takes a reading, gives a profile for each text, since a list may repeat what prose may not."""

import numpy as np

from twosignal.audits.characters import DIGIT, SIGN, SPACE, Bytes
from twosignal.audits.reading import Reading

PROSE, LISTED, LINES, DATA = 0, 1, 2, 3
"""Running text; enumerations; verse, lists and dialogues; code, tables, logs and records."""
LEAST_LINES = 3
LONGEST_LINE = 90
"""Characters per line, on average, up to which the lines of a text are its own and not the page's."""
COMMA_SHARE = 0.04
"""Share of commas and semicolons from which a text is an enumeration."""
QUOTE_SHARE = 0.08
SIGN_SHARE = 0.06
"""Share of signs other than sentence marks from which a text is data."""
DIGIT_SHARE = 0.2
INDENTED_SHARE = 0.35
"""Share of lines that begin with white space from which a text is data."""


def profiles_of(reading: Reading) -> Bytes:
    """Return PROSE, LISTED, LINES or DATA for each text, shape (texts,)."""
    starts = reading.characters.bounds[:-1]
    is_break = reading.codes == ord("\n")
    is_indent = np.zeros(len(is_break), dtype=np.bool_)
    is_indent[1:] = is_break[:-1] & (reading.kinds[1:] == SPACE) & ~is_break[1:]
    is_comma = (reading.codes == ord(",")) | (reading.codes == ord(";"))
    lines, commas, quotes, indents, signs, digits, spaces = (
        np.add.reduceat(mask, starts, dtype=np.int32)
        for mask in (
            is_break,
            is_comma,
            reading.codes == ord('"'),
            is_indent,
            reading.kinds == SIGN,
            reading.kinds == DIGIT,
            reading.kinds == SPACE,
        )
    )
    length = np.diff(reading.characters.bounds)
    written = np.maximum(1, length - spaces)
    profiles = np.full(len(starts), PROSE, dtype=np.uint8)
    is_lined = (lines > LEAST_LINES) & (length <= LONGEST_LINE * lines)
    profiles[commas >= COMMA_SHARE * written] = LISTED
    profiles[is_lined] = LINES
    is_indented = (lines > LEAST_LINES) & (indents >= INDENTED_SHARE * lines)
    is_marked = (signs >= SIGN_SHARE * written) | (quotes >= QUOTE_SHARE * written)
    profiles[is_indented | is_marked | (digits >= DIGIT_SHARE * written)] = DATA
    return profiles

"""Answers in the wrong language: takes texts with their prompts, gives those that leave the prompt's language.

Two sorts of evidence: scripts, by their letters, and usual words where the script is the same. A prompt that
names a language or asks for a translation expects nothing, nor does one too short to have a language.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from twosignal.audits.characters import LATIN, SCRIPTS, Bytes, Ints, scripts
from twosignal.audits.lexicon import Lexicon, lexicon
from twosignal.audits.profiles import DATA
from twosignal.audits.reading import Reading, read_page
from twosignal.audits.windows import Flagged

LEAST_LETTERS = 20
"""Letters a text needs to be in the wrong script."""
PROMPT_SHARE = 0.8
"""Share of a prompt's letters that its script must have."""
FOREIGN_SHARE = 0.4
FOREIGN_LATIN = 0.75
"""Share of foreign letters in a text; names and terms in Latin letters stand in every language."""
LEAST_PROMPT_WORDS, LEAST_TEXT_WORDS, LEAST_UNKNOWN_WORDS = 3, 15, 30
PROMPT_KNOWN, TEXT_KNOWN = 0.6, 0.5
"""Share of usual words from which words are in a language."""
NEIGHBOUR = 0.12
"""Languages of the prompt whose share is this close to the best are expected as well."""
LEAD = 0.3
"""How far the text's language must lead all expected ones."""
NO_LANGUAGE = 0.12
"""Share of expected words below which a long text is in another language even if in none that is known."""
SCRIPT_NAMES = tuple(name for name, _ in SCRIPTS)
COMPANIONS = {"Han": {"kana", "Hangul"}, "kana": {"Han"}, "Hangul": {"Han"}}
"""Scripts of a prompt, and others that may stand beside them in the answer: Han alone may be Japanese."""
ASKS = re.compile(
    r"""translat|language|transcri|transliterat|spell|pronounc|
    \b(?:english|french|german|spanish|italian|portuguese|dutch|swedish|norwegian|danish|finnish|icelandic|
    polish|czech|slovak|russian|ukrainian|bulgarian|serbian|croatian|slovene|slovenian|romanian|hungarian|greek|
    turkish|arabic|hebrew|persian|farsi|urdu|hindi|bengali|tamil|telugu|thai|vietnamese|indonesian|malay|
    chinese|mandarin|cantonese|japanese|korean|latin|swahili|welsh|irish|basque|catalan|estonian|latvian|
    lithuanian|filipino|tagalog|kanji|hiragana|katakana|cyrillic|hangul)\b|
    \bdeutsch|englisch|franz\u00f6s|\u00fcbersetz|anglais|fran\u00e7ais|espa\u00f1ol|ingl[e\u00e9]s|tradu[cizt]|
    ingles|\u043f\u0435\u0440\u0435\u0432[\u0435\u043e]\u0434|\u0430\u043d\u0433\u043b\u0438\u0439|
    \u7ffb\u8bd1|\u7ffb\u8b6f|\u7ffb\u8a33|\u82f1\u8bed|\u82f1\u6587|\u82f1\u8a9e|\u4e2d\u6587|
    \ubc88\uc5ed|\uc601\uc5b4|vertaal|\u00f6vers\u00e4tt|overs\u00e6t|oversett|t\u0142umacz|p\u0159elo\u017e|\u00e7evir""",
    re.VERBOSE | re.IGNORECASE,
)
"""Prompts that may be answered in any language."""


class Counts(NamedTuple):
    """What speaks for a language in each text of a page."""

    scripts: Ints
    """Letters of each script, shape (texts, scripts + 1); column 0 is unused."""
    languages: Ints
    """Words usual in each language, shape (texts, languages)."""
    words: Ints
    """Words of scripts with word lists, shape (texts,)."""


def find_wrong_language(
    reading: Reading, profiles: Bytes, rows: Ints, *, prompts: Sequence[str]
) -> list[Flagged]:
    """Return the texts in another language than their prompt, whole, in tokens; the value is the foreign share."""
    asked = [text for text, prompt in enumerate(prompts) if prompt.strip() and not ASKS.search(prompt)]
    if not asked:
        return []
    words = lexicon()
    prompt_page = read_page([prompts[text] for text in asked])
    of_prompts = _counts(prompt_page, words.rows(prompt_page.hashes), words)
    of_texts = _counts(reading, rows, words)
    found = []
    for place, text in enumerate(asked):
        if profiles[text] == DATA:
            continue
        share = _foreign_letters(of_prompts.scripts[place], of_texts.scripts[text])
        if not share:
            share = _foreign_words(
                of_prompts.languages[place] / max(1, of_prompts.words[place]),
                of_texts.languages[text] / max(1, of_texts.words[text]),
                num_words=(int(of_prompts.words[place]), int(of_texts.words[text])),
            )
        if share:
            first, last = reading.tokens.bounds[text : text + 2].tolist()
            found.append(Flagged(text=text, start=first, stop=last, value=share))
    return found


def _counts(reading: Reading, rows: Ints, words: Lexicon) -> Counts:
    """Count letters of scripts and words of languages in each text."""
    num_texts, width = len(reading.characters.bounds) - 1, len(SCRIPTS) + 1
    of_letters = scripts()[reading.codes].astype(np.int64)
    of_letters += np.repeat(np.arange(num_texts), np.diff(reading.characters.bounds)) * width
    letters = np.bincount(of_letters, minlength=num_texts * width).reshape(num_texts, width)
    is_lettered = (scripts()[reading.codes[reading.starts]] > 0).astype(np.int64)
    totals = np.zeros((len(rows) + 1, len(words.names)), dtype=np.int64)
    np.cumsum(words.languages[rows], axis=0, out=totals[1:])
    counted = np.zeros(len(rows) + 1, dtype=np.int64)
    np.cumsum(is_lettered, out=counted[1:])
    bounds = reading.tokens.bounds
    return Counts(
        scripts=letters,
        languages=totals[bounds[1:]] - totals[bounds[:-1]],
        words=counted[bounds[1:]] - counted[bounds[:-1]],
    )


def _foreign_letters(prompt: Ints, text: Ints) -> float:
    """Return the share of letters in scripts that the prompt does not lead to expect; 0 if that proves nothing."""
    prompt, text = prompt[1:], text[1:]
    if not prompt.sum() or text.sum() < LEAST_LETTERS:
        return 0.0
    expected = _expected_scripts(prompt)
    if not expected:
        return 0.0
    share = float(sum(count for place, count in enumerate(text) if SCRIPT_NAMES[place] not in expected))
    share /= float(text.sum())
    is_latin = text.argmax() == LATIN - 1
    return share if share >= (FOREIGN_LATIN if is_latin else FOREIGN_SHARE) else 0.0


def _expected_scripts(prompt: Ints) -> set[str]:
    """Return the names of the scripts an answer may be in, none where the prompt has no clear script."""
    east = {"Han", "kana", "Hangul"}
    main = SCRIPT_NAMES[int(prompt.argmax())]
    group = east if main in east else {main}
    inside = sum(int(count) for place, count in enumerate(prompt) if SCRIPT_NAMES[place] in group)
    if inside < PROMPT_SHARE * int(prompt.sum()):
        return set()
    present = {SCRIPT_NAMES[place] for place in np.flatnonzero(prompt)} & group
    return present | COMPANIONS.get(main, set()) if present == {main} else present


def _foreign_words(prompt: Ints, text: Ints, *, num_words: tuple[int, int]) -> float:
    """Return how far the text's words are from the prompt's languages, in shares of words; 0 if near or unclear."""
    if num_words[0] < LEAST_PROMPT_WORDS or num_words[1] < LEAST_TEXT_WORDS or prompt.max() < PROMPT_KNOWN:
        return 0.0
    expected = float(text[prompt >= prompt.max() - NEIGHBOUR].max())
    best = float(text.max())
    if best >= TEXT_KNOWN and best - expected >= LEAD:
        return 1 - expected
    if num_words[1] >= LEAST_UNKNOWN_WORDS and expected <= NO_LANGUAGE:
        return 1 - expected
    return 0.0

"""Whether a text has gone wrong: takes texts and their prompts, gives a `Score` each, with every reason and its place.

    text -> reading (tokens) -> profile (prose, enumeration, lines, data) -> signals -> degenerate: yes, no, too little text

Each kind of failure has a module of its own: loops, letters and signs (gibberish), words in no order (salad),
and the wrong language; emptiness and endlessness are here. The classic score stands beside the verdict and
has no part in it. Thresholds were chosen on one half of the texts of docs/decisions/013 and hold on the other.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from twosignal.audits.characters import DENSE, MARK, SIGN, Bytes, Ints
from twosignal.audits.coherence import CoherenceScore, classic_score
from twosignal.audits.gibberish import find_babble, find_random_letters, find_sign_soup, is_coded
from twosignal.audits.language import find_wrong_language
from twosignal.audits.lexicon import lexicon
from twosignal.audits.loops import find_loops, find_passages
from twosignal.audits.profiles import DATA, profiles_of
from twosignal.audits.reading import Reading, read_page
from twosignal.audits.salad import find_bare_words, find_fragments, find_salad
from twosignal.audits.windows import Flagged

PAGE_CHARACTERS = 1 << 18
"""Texts are read in pages of about this many characters."""
LEAST_TOKENS = 25
"""Words, numbers or characters of scripts without spaces below which a text without a fault is not judged."""
LONGEST_ANSWER = 20_000
"""Characters beyond which an answer to a prompt has no end."""
LONGEST_SENTENCE = 2_500
"""Characters without any mark or line break beyond which a text of words has lost its sentences."""
QUOTED = 48

Find = Callable[[Reading, Bytes, Ints], list[Flagged]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One thing that is wrong with a text."""

    name: str
    """loop, passage, random-letters, punctuation, babble, word-endings, word-order, bare-words, language, empty
    or runaway."""
    value: float
    """What was measured: a share of 0 to 1; bits per letter pair for random-letters; characters for runaway."""
    span: tuple[int, int]
    """First character and one past the last."""
    reason: str
    """The same as a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The judgement on one text."""

    text: str
    """The text as it was given."""
    degenerate: bool | None
    """Whether something is wrong; None where there is too little text to say."""
    signals: tuple[Signal, ...]
    """What is wrong, by place."""

    @property
    def classic(self) -> CoherenceScore:
        """The classic four-part score, worked out when it is asked for."""
        return classic_score(self.text)

    def as_dict(self) -> dict[str, object]:
        """Return the classic parts, the verdict and its signals, ready for JSON."""
        signals = [
            {
                "name": one.name,
                "value": round(one.value, 3),
                "span": list(one.span),
                "reason": one.reason,
            }
            for one in self.signals
        ]
        return {**self.classic.as_dict(), "degenerate": self.degenerate, "signals": signals}


class Places(NamedTuple):
    """How the places of a flagged stretch are turned into characters."""

    reading: Reading
    """The page."""
    texts: Sequence[str]
    """Its texts, as given."""
    starts: Ints | None
    """First character of every token and the end of the page; None where places are characters."""


BY_TOKEN: tuple[tuple[str, Find, str], ...] = (
    ("loop", lambda r, p, _: find_loops(r, p), "{value:.0%} of the words come round again and again"),
    ("passage", lambda r, p, _: find_passages(r, p), "{value:.0%} of the text repeats passages of it"),
    ("babble", find_babble, "{value:.0%} of the words belong to no language"),
    ("word-endings", find_fragments, "{value:.0%} of the words are torn-off endings"),
    ("word-order", find_salad, "{value:.0%} of the words cannot follow the one before"),
    (
        "bare-words",
        find_bare_words,
        "{value:.0%} of the English words have no function: a list, not sentences",
    ),
)
"""Signals whose places are tokens, each with what it says."""
BY_CHARACTER: tuple[tuple[str, Find, str], ...] = (
    (
        "random-letters",
        lambda r, p, _: find_random_letters(r, p),
        "letters at random: {value:.1f} bits a pair",
    ),
    ("punctuation", lambda r, p, _: find_sign_soup(r, p), "{value:.0%} of what is written is signs"),
)
LANGUAGE = "{value:.0%} of it is not in the language of the prompt"


def score(text: str, prompt: str = "") -> Score:
    """Return the judgement on one text; with its prompt, language and length are judged as well."""
    return next(score_texts([text], [prompt]))


def score_texts(texts: Sequence[str], prompts: Sequence[str] = ()) -> Iterator[Score]:
    """Yield the judgement on each of `texts`, many times faster than one by one; `prompts` is empty or as long."""
    asked = list(prompts) if prompts else [""] * len(texts)
    if len(asked) != len(texts):
        message = (
            f"found {len(texts)} texts and {len(asked)} prompts, expected one prompt for each text, or none"
        )
        raise ValueError(message)
    start, size = 0, 0
    for place, text in enumerate(texts):
        size += len(text)
        if size >= PAGE_CHARACTERS or place == len(texts) - 1:
            yield from _score_page(texts[start : place + 1], asked[start : place + 1])
            start, size = place + 1, 0


def _score_page(texts: Sequence[str], prompts: Sequence[str]) -> Iterator[Score]:
    reading = read_page(texts)
    profiles = profiles_of(reading)
    signals: list[list[Signal]] = [[] for _ in texts]
    for number, signal in _signals(reading, profiles, texts=texts, prompts=prompts):
        signals[number].append(signal)
    counts = np.diff(reading.tokens.bounds).tolist()
    for text, found, num_tokens in zip(texts, signals, counts, strict=True):
        is_judged = num_tokens >= LEAST_TOKENS
        yield Score(
            text=text,
            degenerate=True if found else False if is_judged else None,
            signals=tuple(sorted(found, key=lambda one: one.span)),
        )


def _signals(
    reading: Reading, profiles: Bytes, *, texts: Sequence[str], prompts: Sequence[str]
) -> Iterator[tuple[int, Signal]]:
    """Yield every signal of a page with the number of its text."""
    rows = lexicon().rows(reading.hashes)
    in_tokens = Places(reading, texts, np.append(reading.starts, reading.characters.bounds[-1]))
    in_characters = Places(reading, texts, None)
    for name, find, sentence in BY_TOKEN:
        for one in find(reading, profiles, rows):
            yield one.text, _signal(one, in_tokens, name=name, sentence=sentence)
    for name, find, sentence in BY_CHARACTER:
        for one in find(reading, profiles, rows):
            signal = _signal(one, in_characters, name=name, sentence=sentence)
            start, stop = signal.span
            if name != "random-letters" or not is_coded(texts[one.text][start:stop]):
                yield one.text, signal
    if any(prompts):
        for one in find_wrong_language(reading, profiles, rows, prompts=prompts):
            yield one.text, _signal(one, in_tokens, name="language", sentence=LANGUAGE)
    for number, text in enumerate(texts):
        if not text or text.isspace():
            reason = "there is nothing but white space" if text else "there is no text"
            yield number, Signal(name="empty", value=1.0, span=(0, len(text)), reason=reason)
        elif len(text) > LONGEST_ANSWER and prompts[number]:
            yield number, _runaway(f"the answer has {len(text):,} characters", (0, len(text)))
    yield from _endless(reading, profiles)


def _signal(one: Flagged, places: Places, *, name: str, sentence: str) -> Signal:
    """Return a flagged stretch as a signal, with its characters and the text that opens it."""
    reading, texts, starts = places
    text = texts[one.text]
    first = int(reading.characters.bounds[one.text])
    start, stop = (one.start, one.stop) if starts is None else (int(starts[one.start]), int(starts[one.stop]))
    start, stop = start - first, min(stop - first, len(text))
    stop -= len(text[start:stop]) - len(text[start:stop].rstrip())
    printable = "".join(
        letter if letter.isprintable() else " " for letter in text[start : start + 4 * QUOTED]
    )
    quoted = " ".join(printable[: stop - start].split())
    quoted = quoted if len(quoted) <= QUOTED else quoted[: QUOTED - 3].rstrip() + "..."
    return Signal(
        name=name,
        value=one.value,
        span=(start, stop),
        reason=f'{sentence.format(value=one.value)}, from "{quoted}" on',
    )


def _endless(reading: Reading, profiles: Bytes) -> Iterator[tuple[int, Signal]]:
    """Yield texts of spaced words that go on without any mark or line break."""
    if not (np.diff(reading.characters.bounds) > LONGEST_SENTENCE).any():
        return
    is_stop = (reading.kinds == MARK) | (reading.kinds == SIGN) | (reading.codes == ord("\n"))
    stops = [-1, *np.flatnonzero(is_stop).tolist()]
    for before, stop in pairwise(stops):
        if stop - before > LONGEST_SENTENCE:
            text = int(np.searchsorted(reading.characters.bounds, before + 1, side="right")) - 1
            first = int(reading.characters.bounds[text])
            is_spaced = (reading.kinds[before + 1 : stop] >= DENSE).mean() < 0.5
            if is_spaced and profiles[text] != DATA:
                length = stop - before - 1
                sentence = f"{length:,} characters without a mark or a line break"
                yield text, _runaway(sentence, (before + 1 - first, stop - first))


def _runaway(reason: str, span: tuple[int, int]) -> Signal:
    return Signal(name="runaway", value=float(span[1] - span[0]), span=span, reason=reason)

"""Degenerate texts of many families: takes a seeded generator and sound prose, gives texts as failing models write them.

Every maker takes `draw` (random.Random), `prose` (a list of words with their punctuation) and the length wanted in
characters, and returns one text. Lengths are met within a word or a phrase.
"""

import random
import string
from collections.abc import Callable, Sequence

LEAST_ROUNDS = 6
"""A phrase said less often is no loop."""
Maker = Callable[[random.Random, Sequence[str], int], str]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


TEMPLATES = (
    "I think that the answer is {} and I think that",
    "My name is {} and I live in {} with my family.",
    "The {} is one of the most important things in the world.",
    "You can use the {} to find the {} that you want to use.",
    "As a {} , I would like to say that {} is very good.",
    "Then she said {} , and then he said that it was fine.",
    "The number of people in {} is {} million people.",
    "There are {} ways to do this, and the first way is to",
    "I am sorry, but I do not know what {} means.",
    "It was the year {} and the king of {} had a new plan.",
)
SUFFIXES = _words(
    "ing ed tion s th ly ness ment er est ful less able ible ous ive al ity ism ist ize es en "
    "ing ed ly tion sion ance ence ally ings ers ted ting ary ory ate ated ating ization ations "
    "ical ically ship hood ward wise ies "
)
SYMBOLS = "\"'.,;:!?-()[]{}<>/\\|@#$%^&*+=~`_"
FLUENT_SYLLABLES = _words(
    "bra cla dor fen gri hul jom kel lir mov nup pra quo rin sto tev urk vax wim yol zan thu shi blo "
)


def word_loop(draw: random.Random, prose: Sequence[str], size: int) -> str:
    """One word over and over, after none to half of the text in sound words."""
    word = draw.choice([word for word in draw.sample(list(prose), 20) if word.strip(string.punctuation)])
    return _after(_lead(draw, prose, size), lambda _: word, size)


def phrase_loop(draw: random.Random, prose: Sequence[str], size: int) -> str:
    """A phrase of 2 to 60 words over and over; six times at least."""
    lead = _lead(draw, prose, size)
    most = max(2, min(60, (size - len(lead)) // 26))
    phrase = " ".join(_cut(draw, prose, draw.randint(2, most)))
    return _after(lead, lambda _: phrase, size)


def edited_loop(draw: random.Random, prose: Sequence[str], size: int) -> str:
    """A phrase over and over with a word in twelve changed, left out or doubled."""
    lead = _lead(draw, prose, size)
    phrase = _cut(draw, prose, draw.randint(4, max(4, min(25, (size - len(lead)) // 40))))

    def edited(_: int) -> str:
        words = []
        for word in phrase:
            chance = draw.random()
            words += [draw.choice(prose)] if chance < 0.04 else [word, word] if chance < 0.06 else [word]
            words = words[:-1] if chance > 0.98 else words
        return " ".join(words)

    return _after(lead, edited, size)


def template_loop(draw: random.Random, prose: Sequence[str], size: int) -> str:
    """A sentence over and over with a new word, name or number in its gaps."""
    template = draw.choice(TEMPLATES)
    if draw.random() < 0.5:
        words = _cut(draw, prose, draw.randint(7, 14))
        words[draw.randrange(len(words))] = "{}"
        template = " ".join(
            word if word == "{}" else word.replace("{", "").replace("}", "") for word in words
        )
    longest = draw.choice((1, 1, 2))

    def filled(_: int) -> str:
        return template.format(*(_slot(draw, prose, longest) for _ in range(template.count("{}"))))

    return _after(_lead(draw, prose, size), filled, size)


def line_loop(draw: random.Random, prose: Sequence[str], size: int) -> str:
    """A line over and over, each time on a line of its own, numbered or not."""
    lead = _lead(draw, prose, size)
    line = " ".join(_cut(draw, prose, draw.randint(2, max(2, min(14, (size - len(lead)) // 60)))))
    numbered = draw.random() < 0.4
    body = _after("", lambda n: f"{n + 1}. {line}" if numbered else line, size - len(lead), between="\n")
    return f"{lead}\n{body}" if lead else body


def gibberish(draw: random.Random, prose: Sequence[str], size: int) -> str:
    """Random letters in words of 2 to 10, sometimes with capitals and full stops, sometimes without any space."""
    style = draw.choice(("plain", "plain", "capitals", "stops", "endless"))
    lead = _lead(draw, prose, size)

    def word(_: int) -> str:
        letters = "".join(draw.choice(string.ascii_lowercase) for _ in range(draw.randint(2, 10)))
        letters = letters.capitalize() if style == "capitals" and draw.random() < 0.3 else letters
        return letters + "." if style == "stops" and draw.random() < 0.15 else letters

    return _after(lead, word, size, between="" if style == "endless" else " ")


def babble(draw: random.Random, prose: Sequence[str], size: int) -> str:
    """Words that could be said and mean nothing in any language."""
    return _after(
        _lead(draw, prose, size),
        lambda _: "".join(draw.choice(FLUENT_SYLLABLES) for _ in range(draw.randint(2, 4))),
        size,
    )


def punctuation_soup(draw: random.Random, prose: Sequence[str], size: int) -> str:
    """Signs, all at random or a few of them over and over, with and without spaces."""
    signs = draw.sample(SYMBOLS, draw.choice((2, 4, 8, len(SYMBOLS))))
    between = draw.choice(("", " "))
    lead = _lead(draw, prose, size)
    return _after(
        lead, lambda _: "".join(draw.choice(signs) for _ in range(draw.randint(1, 5))), size, between=between
    )


def suffix_soup(draw: random.Random, prose: Sequence[str], size: int) -> str:
    """Ends of words: "ing ed tion s th", with hyphens, commas or an odd sound word between."""
    style = draw.choice(("plain", "hyphens", "commas", "words"))

    def piece(_: int) -> str:
        suffix = draw.choice(SUFFIXES)
        if style == "hyphens":
            return f"-{suffix}"
        if style == "commas" and draw.random() < 0.2:
            return f"{suffix},"
        return draw.choice(prose) if style == "words" and draw.random() < 0.2 else suffix

    return _after(_lead(draw, prose, size), piece, size)


def uniform_salad(draw: random.Random, prose: Sequence[str], size: int) -> str:
    """Sound words, each as likely as any other."""
    words = sorted({word.strip(string.punctuation).lower() for word in prose} - {""})
    return _after(_lead(draw, prose, size), lambda _: draw.choice(words), size)


def frequent_salad(draw: random.Random, prose: Sequence[str], size: int) -> str:
    """Sound words, drawn as often as they are used, as a model draws that has lost all context."""
    return _after(_lead(draw, prose, size), lambda _: draw.choice(prose), size)


DEGENERATE: dict[str, Maker] = {
    "word loop": word_loop,
    "phrase loop": phrase_loop,
    "template loop": template_loop,
    "gibberish": gibberish,
    "punctuation soup": punctuation_soup,
    "suffix soup": suffix_soup,
}
"""The six families of the goal."""
FURTHER: dict[str, Maker] = {
    "edited loop": edited_loop,
    "line loop": line_loop,
    "babble": babble,
    "uniform salad": uniform_salad,
    "frequent salad": frequent_salad,
}
"""Families beyond it."""


def _lead(draw: random.Random, prose: Sequence[str], size: int) -> str:
    """Return sound words for none to half of the text, at most 150."""
    num_words = draw.choice((0, draw.randint(0, min(150, size // 12))))
    return " ".join(_cut(draw, prose, num_words)) if num_words else ""


def _cut(draw: random.Random, prose: Sequence[str], num_words: int) -> list[str]:
    start = draw.randrange(max(1, len(prose) - num_words))
    return list(prose[start : start + num_words])


def _after(lead: str, piece: Callable[[int], str], size: int, *, between: str = " ") -> str:
    pieces: list[str] = [lead] if lead else []
    length, number = len(lead), 0
    while length < size or number < LEAST_ROUNDS:
        pieces.append(piece(number))
        length += len(pieces[-1]) + len(between)
        number += 1
    if between:
        return between.join(pieces)
    return f"{lead} {''.join(pieces[1:])}" if lead else "".join(pieces)


def _slot(draw: random.Random, prose: Sequence[str], longest: int) -> str:
    if draw.random() < 0.3:
        return str(draw.randint(1, 3000))
    words = _cut(draw, prose, draw.randint(1, longest))
    return " ".join(word.strip(string.punctuation) or "it" for word in words)

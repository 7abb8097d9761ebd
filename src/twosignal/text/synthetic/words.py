"""Questions about words: takes nothing, gives the chat `chat-words` on letters, plurals, kinds and opposites."""

from twosignal.text.synthetic.script import Chat, Draw, Script, Slots
from twosignal.text.synthetic.word_table import (
    KINDS,
    NOUNS,
    OPPOSITES,
    PLURALS,
    WORDS,
    article,
)

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _word(draw: Draw) -> dict[str, str]:
    return {"word": draw.pick(WORDS)}


def _noun(draw: Draw) -> dict[str, str]:
    return {"word": draw.pick(NOUNS)}


def _opposable(draw: Draw) -> dict[str, str]:
    return {"word": draw.pick(tuple(OPPOSITES))}


def _letters(slots: Slots) -> dict[str, str]:
    word = slots["word"]
    if not word.isalpha():
        message = "not a single word"
        raise ValueError(message)
    return {
        "first": word[0],
        "last": word[-1],
        "length": str(len(word)),
        "spelling": "-".join(word),
    }


def _facts(slots: Slots) -> dict[str, str]:
    word = slots["word"]
    small = article(word)
    return {"plural": PLURALS[word], "kind": KINDS[word], "a": small, "A": small.capitalize()}


def _opposite(slots: Slots) -> dict[str, str]:
    return {"other": OPPOSITES[slots["word"]]}


def _two_words(draw: Draw) -> dict[str, str]:
    first, second = draw.pick_two(WORDS)
    return {"x": first, "y": second}


def _two_lengths(draw: Draw) -> dict[str, str]:
    while True:
        first, second = draw.pick_two(WORDS)
        if len(first) != len(second):
            return {"x": first, "y": second}


def _longer(slots: Slots) -> dict[str, str]:
    short, long = sorted((slots["x"], slots["y"]), key=len)
    return {"long": long, "short": short, "more": str(len(long)), "less": str(len(short))}


def _alphabetical(slots: Slots) -> dict[str, str]:
    first, second = sorted((slots["x"], slots["y"]))
    return {"first": first, "second": second}


def _word_and_letter(draw: Draw) -> dict[str, str]:
    word = draw.pick(WORDS)
    letter = draw.pick(word) if draw.is_lucky(0.5) else draw.pick(LETTERS)
    return {"word": word, "letter": letter}


def _contains(slots: Slots) -> dict[str, str]:
    word, letter = slots["word"], slots["letter"]
    if len(letter) != 1:
        message = "not a single letter"
        raise ValueError(message)
    said = f"Yes, {word} contains" if letter in word else f"No, {word} does not contain"
    count = word.count(letter)
    times = {0: "not there", 1: "there once", 2: "there twice"}.get(count, f"there {count} times")
    return {"said": said, "times": times}


SCRIPTS = (
    Script(
        draw=_word,
        solve=_letters,
        weight=2,
        turns=(
            (
                "What is the first letter of {word}?",
                "Which letter does {word} begin with?",
                "Tell me the first letter of the word {word}.",
            ),
            ("The first letter of {word} is {first}.", "The word {word} begins with {first}."),
        ),
    ),
    Script(
        draw=_word,
        solve=_letters,
        weight=2,
        turns=(
            (
                "What is the last letter of {word}?",
                "Which letter does {word} end with?",
                "Tell me the last letter of the word {word}.",
            ),
            ("The last letter of {word} is {last}.", "The word {word} ends with {last}."),
        ),
    ),
    Script(
        draw=_word,
        solve=_letters,
        weight=2,
        turns=(
            (
                "How many letters does {word} have?",
                "How long is the word {word}?",
                "Count the letters of {word}.",
            ),
            ("The word {word} has {length} letters.", "There are {length} letters in {word}."),
        ),
    ),
    Script(
        draw=_word,
        solve=_letters,
        turns=(
            ("How do you spell {word}?", "Please spell {word}.", "Can you spell the word {word}?"),
            ("The word {word} is spelled {spelling}.", "You spell it {spelling}."),
        ),
    ),
    Script(
        draw=_noun,
        solve=_facts,
        weight=2,
        turns=(
            (
                "What is the plural of {word}?",
                "One {word}, two what?",
                "What do you call more than one {word}?",
            ),
            ("The plural of {word} is {plural}.", "One {word}, two {plural}."),
        ),
    ),
    Script(
        draw=_noun,
        solve=_facts,
        weight=2,
        turns=(
            ("What kind of thing is {a} {word}?", "What is {a} {word}?", "Tell me what {a} {word} is."),
            ("{A} {word} is {kind}.",),
        ),
    ),
    Script(
        draw=_opposable,
        solve=_opposite,
        weight=2,
        turns=(
            (
                "What is the opposite of {word}?",
                "Which word means the opposite of {word}?",
                "Tell me the opposite of {word}.",
            ),
            ("The opposite of {word} is {other}.", "It is {other}, the opposite of {word}."),
        ),
    ),
    Script(
        draw=_two_lengths,
        solve=_longer,
        weight=3,
        turns=(
            ("Which word is longer, {x} or {y}?", "Is {x} or {y} the longer word?"),
            (
                "The word {long} is longer than {short}.",
                "The longer word is {long}: it has {more} letters, and {short} has {less}.",
            ),
        ),
    ),
    Script(
        draw=_two_words,
        solve=_alphabetical,
        weight=3,
        turns=(
            ("Which word comes first in a dictionary, {x} or {y}?", "Put {x} and {y} in alphabetical order."),
            ("First comes {first}, then {second}.", "The word {first} comes before {second}."),
        ),
    ),
    Script(
        draw=_word_and_letter,
        solve=_contains,
        weight=3,
        turns=(
            (
                "Does {word} contain the letter {letter}?",
                "Is the letter {letter} in the word {word}?",
                "Can you find the letter {letter} in {word}?",
            ),
            ("{said} the letter {letter}.", "{said} the letter {letter}: it is {times}."),
        ),
    ),
)

WORD_FACTS = Chat(name="chat-words", scripts=SCRIPTS, asks_questions=True, double_share=0.1)

"""A small table of English words: takes nothing, gives nouns with plural and kind, and pairs of opposites."""

_NOUNS = {
    "an animal": """
        ant bear bee bird camel cat cow dog donkey duck eagle elephant frog goat horse lion monkey
        owl pig rabbit snake spider tiger turtle whale zebra fox:foxes fish:fish mouse:mice goose:geese
        sheep:sheep wolf:wolves ox:oxen
    """,
    "a fruit": "apple apricot banana fig grape lemon melon orange pear plum cherry:cherries peach:peaches",
    "a vegetable": "bean cabbage carrot leek onion pea turnip radish:radishes potato:potatoes",
    "a piece of furniture": "bed chair cupboard desk sofa stool table wardrobe bench:benches shelf:shelves",
    "a tool": "axe chisel drill hammer rake saw spade wrench:wrenches brush:brushes",
    "a piece of clothing": "apron belt coat glove hat jacket shirt shoe skirt sock dress:dresses scarf:scarves",
    "a vehicle": "bicycle boat car lorry:lorries bus:buses ferry:ferries plane ship train tram",
    "a part of the body": "arm ear elbow eye finger hand knee leg nose toe foot:feet tooth:teeth",
    "a musical instrument": "drum flute guitar harp organ piano trumpet violin",
    "a building": "barn castle hotel house museum palace school tower church:churches factory:factories",
}
"""Words by kind; the plural adds an s where none is given."""

KINDS = {entry.split(":")[0]: kind for kind, entries in _NOUNS.items() for entry in entries.split()}
"""Kind of every noun, with its article."""
PLURALS = {
    word: plural or f"{word}s"
    for entries in _NOUNS.values()
    for word, _, plural in (entry.partition(":") for entry in entries.split())
}
"""Plural of every noun."""

_PAIRS = """
    big small, hot cold, long short, old young, happy sad, fast slow, light dark, high low, wet dry,
    open closed, full empty, rich poor, strong weak, clean dirty, near far, early late, loud quiet,
    soft hard, thick thin, wide narrow, deep shallow, easy difficult, cheap expensive, true false,
    brave cowardly, up down, left right, in out, day night, begin end, buy sell, win lose, push pull,
    laugh cry, remember forget, always never, many few, above below, inside outside, smooth rough
"""
OPPOSITES: dict[str, str] = {}
"""Opposite of every word of a pair, both ways."""
for _pair in _PAIRS.split(","):
    _one, _other = _pair.split()
    OPPOSITES[_one], OPPOSITES[_other] = _other, _one

NOUNS = tuple(KINDS)
WORDS = (*NOUNS, *OPPOSITES)


def article(word: str) -> str:
    """Return "a" or "an" for a word of the table, none of which has a silent h or a spoken y in front."""
    return "an" if word[0] in "aeiou" else "a"

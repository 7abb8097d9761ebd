"""Measures with their conversions: takes nothing, gives the chat `chat-units`."""

from dataclasses import dataclass

from twosignal.text.synthetic.script import Chat, Draw, Script, Slots


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """Two units of one kind."""

    small: str
    """Name of the smaller unit, singular; the plural adds an s."""
    large: str
    """Name of the larger unit, singular; the plural adds an s."""
    factor: int
    """How many small ones make a large one."""


MEASURES = (
    Measure(small="millimetre", large="centimetre", factor=10),
    Measure(small="centimetre", large="metre", factor=100),
    Measure(small="metre", large="kilometre", factor=1000),
    Measure(small="gram", large="kilogram", factor=1000),
    Measure(small="kilogram", large="tonne", factor=1000),
    Measure(small="millilitre", large="litre", factor=1000),
    Measure(small="second", large="minute", factor=60),
    Measure(small="minute", large="hour", factor=60),
    Measure(small="hour", large="day", factor=24),
    Measure(small="day", large="week", factor=7),
    Measure(small="month", large="year", factor=12),
)
MOST = 60
"""Largest number of large units in a question."""

_BY_NAMES = {(measure.small, measure.large): measure for measure in MEASURES}


def amount(number: int, unit: str) -> str:
    """Return a number with its unit in singular or plural."""
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _conversion(draw: Draw) -> dict[str, str]:
    measure = draw.pick(MEASURES)
    number = draw.between(1, MOST)
    return {
        "large": amount(number, measure.large),
        "small": amount(number * measure.factor, measure.small),
        "smalls": f"{measure.small}s",
        "larges": f"{measure.large}s",
    }


def _to_small(slots: Slots) -> dict[str, str]:
    number, measure = _read(slots["large"], slots["smalls"])
    return {"small": amount(number * measure.factor, measure.small)}


def _to_large(slots: Slots) -> dict[str, str]:
    number, unit = slots["small"].split(" ", 1)
    measure = _BY_NAMES[unit.removesuffix("s"), slots["larges"].removesuffix("s")]
    large, rest = divmod(int(number), measure.factor)
    if rest:
        message = "not a whole number of the larger unit"
        raise ValueError(message)
    return {"large": amount(large, measure.large)}


def _comparison(draw: Draw) -> dict[str, str]:
    measure = draw.pick(MEASURES)
    number = draw.between(1, 9)
    other = measure.factor * number + draw.pick((-1, 1)) * draw.between(1, measure.factor - 1)
    return {"large": amount(number, measure.large), "small": amount(other, measure.small)}


def _compare(slots: Slots) -> dict[str, str]:
    number, unit = slots["small"].split(" ", 1)
    large, measure = _read(slots["large"], unit if unit.endswith("s") else f"{unit}s")
    same = large * measure.factor
    more, less = slots["large"], slots["small"]
    if same < int(number):
        more, less = less, more
    return {"more": more, "less": less, "same": amount(same, measure.small)}


def _read(large: str, smalls: str) -> tuple[int, Measure]:
    number, unit = large.split(" ", 1)
    return int(number), _BY_NAMES[smalls.removesuffix("s"), unit.removesuffix("s")]


SCRIPTS = (
    Script(
        draw=_conversion,
        solve=_to_small,
        weight=3,
        turns=(
            (
                "How many {smalls} are in {large}?",
                "How many {smalls} make {large}?",
                "What is {large} in {smalls}?",
                "Convert {large} to {smalls}.",
                "Please tell me how many {smalls} {large} is.",
            ),
            ("There are {small} in {large}.", "{large} is {small}.", "{large} is the same as {small}."),
        ),
    ),
    Script(
        draw=_conversion,
        solve=_to_large,
        weight=3,
        turns=(
            (
                "How many {larges} is {small}?",
                "What is {small} in {larges}?",
                "Convert {small} to {larges}.",
                "I have {small}. How many {larges} is that?",
            ),
            ("{small} is {large}.", "{small} is the same as {large}.", "That makes {large}."),
        ),
    ),
    Script(
        draw=_comparison,
        solve=_compare,
        weight=2,
        turns=(
            (
                "Which is more, {large} or {small}?",
                "Is {small} more than {large}, or less?",
                "What is the larger amount: {large} or {small}?",
            ),
            (
                "{more} is more, because {large} is {same}.",
                "{large} is {same}, so {more} is more than {less}.",
            ),
        ),
    ),
)

UNITS = Chat(name="chat-units", scripts=SCRIPTS, asks_questions=True, double_share=0.1)

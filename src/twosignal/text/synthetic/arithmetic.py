"""Sums with their answers: takes nothing, gives the chat `chat-arithmetic`, from small sums to comparisons."""

from twosignal.text.synthetic.script import Chat, Draw, Script, Slots

THINGS = ("apples", "books", "coins", "eggs", "pencils", "shells", "stamps", "stones")


def _two_numbers(draw: Draw) -> dict[str, str]:
    return {"a": str(draw.between(0, 20)), "b": str(draw.between(0, 20))}


def _larger_first(draw: Draw) -> dict[str, str]:
    first, second = draw.between(0, 20), draw.between(0, 20)
    return {"a": str(max(first, second)), "b": str(min(first, second))}


def _two_factors(draw: Draw) -> dict[str, str]:
    return {"a": str(draw.between(0, 12)), "b": str(draw.between(0, 12))}


def _two_different(draw: Draw) -> dict[str, str]:
    first, second = draw.pick_two(range(100))
    return {"a": str(first), "b": str(second)}


def _one_number(draw: Draw) -> dict[str, str]:
    return {"a": str(draw.between(1, 99))}


def _one_even_number(draw: Draw) -> dict[str, str]:
    return {"a": str(2 * draw.between(1, 50))}


def _things_to_add(draw: Draw) -> dict[str, str]:
    return {**_two_numbers_above_one(draw), "things": draw.pick(THINGS)}


def _things_to_take(draw: Draw) -> dict[str, str]:
    numbers = _two_numbers_above_one(draw)
    total = int(numbers["a"]) + int(numbers["b"])
    return {"a": str(total), "b": numbers["b"], "things": draw.pick(THINGS)}


def _two_numbers_above_one(draw: Draw) -> dict[str, str]:
    return {"a": str(draw.between(2, 15)), "b": str(draw.between(2, 15))}


def _sum(slots: Slots) -> dict[str, str]:
    return {"c": str(int(slots["a"]) + int(slots["b"]))}


def _difference(slots: Slots) -> dict[str, str]:
    return {"c": str(int(slots["a"]) - int(slots["b"]))}


def _product(slots: Slots) -> dict[str, str]:
    return {"c": str(int(slots["a"]) * int(slots["b"]))}


def _order(slots: Slots) -> dict[str, str]:
    low, high = sorted((int(slots["a"]), int(slots["b"])))
    return {"low": str(low), "high": str(high)}


def _next(slots: Slots) -> dict[str, str]:
    return {"c": str(int(slots["a"]) + 1)}


def _double(slots: Slots) -> dict[str, str]:
    return {"c": str(int(slots["a"]) * 2)}


def _half(slots: Slots) -> dict[str, str]:
    half, rest = divmod(int(slots["a"]), 2)
    if rest:
        message = "an odd number has no half here"
        raise ValueError(message)
    return {"c": str(half)}


SCRIPTS = (
    Script(
        draw=_two_numbers,
        solve=_sum,
        weight=6,
        turns=(
            (
                "What is {a} plus {b}?",
                "How much is {a} + {b}?",
                "What is the sum of {a} and {b}?",
                "Please add {a} and {b}.",
                "{a} + {b} = ?",
                "Can you tell me what {a} plus {b} is?",
                "What do I get when I add {a} and {b}?",
            ),
            ("{a} plus {b} is {c}.", "The sum of {a} and {b} is {c}."),
        ),
    ),
    Script(
        draw=_larger_first,
        solve=_difference,
        weight=4,
        turns=(
            (
                "What is {a} minus {b}?",
                "How much is {a} - {b}?",
                "{a} - {b} = ?",
                "Please take {b} away from {a}.",
                "What is left when I take {b} from {a}?",
                "What is the difference between {a} and {b}?",
            ),
            ("{a} minus {b} is {c}.", "{b} taken from {a} leaves {c}."),
        ),
    ),
    Script(
        draw=_two_factors,
        solve=_product,
        weight=3,
        turns=(
            (
                "What is {a} times {b}?",
                "How much is {a} x {b}?",
                "Please multiply {a} by {b}.",
                "What is the product of {a} and {b}?",
                "{a} x {b} = ?",
            ),
            ("{a} times {b} is {c}.", "The product of {a} and {b} is {c}."),
        ),
    ),
    Script(
        draw=_two_different,
        solve=_order,
        weight=2,
        turns=(
            ("Which is larger, {a} or {b}?", "Which number is bigger: {a} or {b}?", "Is {a} or {b} more?"),
            ("{high} is larger than {low}.", "{high} is more than {low}."),
        ),
    ),
    Script(
        draw=_two_different,
        solve=_order,
        weight=2,
        turns=(
            ("Which is smaller, {a} or {b}?", "Which number is less: {a} or {b}?"),
            ("{low} is smaller than {high}.", "{low} is less than {high}."),
        ),
    ),
    Script(
        draw=_things_to_add,
        solve=_sum,
        weight=3,
        turns=(
            (
                "I have {a} {things} and get {b} more. How many {things} do I have now?",
                "There are {a} {things} in a box and {b} {things} beside it. How many are there in all?",
            ),
            ("{a} and {b} make {c}, so that is {c} {things}.", "Together that is {c} {things}."),
        ),
    ),
    Script(
        draw=_things_to_take,
        solve=_difference,
        weight=3,
        turns=(
            (
                "I had {a} {things} and gave away {b}. How many {things} are left?",
                "There were {a} {things} on the table. Somebody took {b} of them. How many remain?",
            ),
            ("{a} minus {b} is {c}, so {c} {things} are left.", "That leaves {c} {things}."),
        ),
    ),
    Script(
        draw=_one_number,
        solve=_next,
        turns=(
            ("What number comes after {a}?", "Which number follows {a}?", "I count to {a}. What is next?"),
            ("After {a} comes {c}.", "The next number is {c}."),
        ),
    ),
    Script(
        draw=_one_number,
        solve=_double,
        turns=(
            ("What is twice {a}?", "Please double {a}.", "How much is double {a}?"),
            ("Twice {a} is {c}.", "Double {a} is {c}."),
        ),
    ),
    Script(
        draw=_one_even_number,
        solve=_half,
        turns=(("What is half of {a}?", "How much is one half of {a}?"), ("Half of {a} is {c}.",)),
    ),
)

ARITHMETIC = Chat(name="chat-arithmetic", scripts=SCRIPTS, asks_questions=True, double_share=0.15)

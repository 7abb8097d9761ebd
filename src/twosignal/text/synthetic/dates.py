"""Questions about the calendar: takes nothing, gives the chat `chat-dates`; years are never leap years."""

from twosignal.text.synthetic.script import Chat, Draw, Script, Slots

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = {
    "January": 31,
    "February": 28,
    "March": 31,
    "April": 30,
    "May": 31,
    "June": 30,
    "July": 31,
    "August": 31,
    "September": 30,
    "October": 31,
    "November": 30,
    "December": 31,
}
"""Days of every month, in order."""
NAMES = tuple(MONTHS)
ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth",
    "seventh", "eighth", "ninth", "tenth", "eleventh", "twelfth",
)  # fmt: skip


def _weekday_and_days(draw: Draw) -> dict[str, str]:
    return {"day": draw.pick(WEEKDAYS), "n": str(draw.between(2, 40))}


def _later_weekday(slots: Slots) -> dict[str, str]:
    return {"other": WEEKDAYS[(WEEKDAYS.index(slots["day"]) + int(slots["n"])) % 7]}


def _earlier_weekday(slots: Slots) -> dict[str, str]:
    return {"other": WEEKDAYS[(WEEKDAYS.index(slots["day"]) - int(slots["n"])) % 7]}


def _weekday(draw: Draw) -> dict[str, str]:
    return {"day": draw.pick(WEEKDAYS)}


def _neighbour_days(slots: Slots) -> dict[str, str]:
    place = WEEKDAYS.index(slots["day"])
    return {"before": WEEKDAYS[place - 1], "after": WEEKDAYS[(place + 1) % 7]}


def _month(draw: Draw) -> dict[str, str]:
    return {"month": draw.pick(NAMES)}


def _month_facts(slots: Slots) -> dict[str, str]:
    place = NAMES.index(slots["month"])
    return {
        "days": str(MONTHS[slots["month"]]),
        "before": NAMES[place - 1],
        "after": NAMES[(place + 1) % 12],
        "ordinal": ORDINALS[place],
    }


def _ordinal(draw: Draw) -> dict[str, str]:
    return {"ordinal": draw.pick(ORDINALS)}


def _month_at(slots: Slots) -> dict[str, str]:
    return {"month": NAMES[ORDINALS.index(slots["ordinal"])]}


def _two_months(draw: Draw) -> dict[str, str]:
    first, second = draw.pick_two(NAMES)
    return {"x": first, "y": second}


def _month_order(slots: Slots) -> dict[str, str]:
    first, second = sorted((slots["x"], slots["y"]), key=NAMES.index)
    return {"first": first, "second": second}


def _month_distance(slots: Slots) -> dict[str, str]:
    distance = (NAMES.index(slots["y"]) - NAMES.index(slots["x"])) % 12
    return {"months": "1 month" if distance == 1 else f"{distance} months"}


def _date_and_days(draw: Draw) -> dict[str, str]:
    month = draw.pick(NAMES)
    return {"date": f"{draw.between(1, MONTHS[month])} {month}", "n": str(draw.between(2, 20))}


def _later_date(slots: Slots) -> dict[str, str]:
    day, month = slots["date"].split(" ")
    if not 1 <= int(day) <= MONTHS[month]:
        message = "no such day"
        raise ValueError(message)
    later = int(day) + int(slots["n"])
    if later > MONTHS[month]:
        later, month = later - MONTHS[month], NAMES[(NAMES.index(month) + 1) % 12]
    return {"other": f"{later} {month}"}


SCRIPTS = (
    Script(
        draw=_weekday_and_days,
        solve=_later_weekday,
        weight=5,
        turns=(
            (
                "Today is {day}. What day is it in {n} days?",
                "Which weekday is {n} days after {day}?",
                "If today is {day}, what day comes {n} days later?",
                "It is {day}. What will the weekday be in {n} days?",
                "What day is {n} days after a {day}?",
            ),
            ("In {n} days it is {other}.", "{n} days after {day} is {other}.", "It will be {other}."),
        ),
    ),
    Script(
        draw=_weekday_and_days,
        solve=_earlier_weekday,
        weight=3,
        turns=(
            (
                "Today is {day}. What day was it {n} days ago?",
                "Which weekday is {n} days before {day}?",
                "If today is {day}, what day was {n} days earlier?",
            ),
            ("{n} days before {day} was {other}.", "It was {other}."),
        ),
    ),
    Script(
        draw=_date_and_days,
        solve=_later_date,
        weight=5,
        turns=(
            (
                "What date is {n} days after {date}?",
                "It is {date}. What is the date in {n} days?",
                "Which day comes {n} days after {date}?",
            ),
            ("{n} days after {date} is {other}.", "It is {other}."),
        ),
    ),
    Script(
        draw=_two_months,
        solve=_month_order,
        weight=2,
        turns=(
            (
                "Which month comes first in the year, {x} or {y}?",
                "Which is earlier in the year: {x} or {y}?",
                "Is {x} before or after {y} in the year?",
            ),
            ("{first} comes before {second}.", "{first} is earlier in the year than {second}."),
        ),
    ),
    Script(
        draw=_two_months,
        solve=_month_distance,
        weight=2,
        turns=(
            ("How many months are there from {x} to {y}?", "How long is it from {x} to the next {y}?"),
            ("From {x} to {y} it is {months}.", "It is {months} from {x} to {y}."),
        ),
    ),
    Script(
        draw=_month,
        solve=_month_facts,
        turns=(
            ("How many days are in {month}?", "How many days does {month} have?", "How long is {month}?"),
            ("{month} has {days} days.", "There are {days} days in {month}."),
        ),
    ),
    Script(
        draw=_month,
        solve=_month_facts,
        turns=(
            ("Which month comes after {month}?", "What month follows {month}?"),
            ("After {month} comes {after}.", "{after} comes after {month}."),
        ),
    ),
    Script(
        draw=_month,
        solve=_month_facts,
        turns=(
            ("Which month comes before {month}?", "What month is just before {month}?"),
            ("Before {month} comes {before}.", "{before} comes before {month}."),
        ),
    ),
    Script(
        draw=_ordinal,
        solve=_month_at,
        turns=(
            ("What is the {ordinal} month of the year?", "Which month is the {ordinal}?"),
            ("The {ordinal} month is {month}.", "{month} is the {ordinal} month of the year."),
        ),
    ),
    Script(
        draw=_weekday,
        solve=_neighbour_days,
        turns=(
            ("What day comes after {day}?", "Today is {day}. What day is tomorrow?"),
            ("After {day} comes {after}.", "The next day is {after}."),
        ),
    ),
    Script(
        draw=_weekday,
        solve=_neighbour_days,
        turns=(
            ("What day comes before {day}?", "Today is {day}. What day was yesterday?"),
            ("Before {day} comes {before}.", "The day before is {before}."),
        ),
    ),
)

DATES = Chat(name="chat-dates", scripts=SCRIPTS, asks_questions=True, double_share=0.1)

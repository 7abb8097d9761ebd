"""Small dialogues of several turns: takes nothing, gives the chat `chat-dialogue`, whose facts hold from turn to turn.

A waiter adds up the order, a guide names the way that belongs to the place, a host repeats the booking,
an office finds what was lost, and a name once given is remembered.
"""

from twosignal.text.synthetic.dates import WEEKDAYS
from twosignal.text.synthetic.script import Chat, Draw, Script, Slots
from twosignal.text.synthetic.town import (
    ANSWERS_TO_MOOD,
    CLOTHES,
    COLOURS,
    DISHES,
    DRINKS,
    LOST,
    PARTIES,
    PEOPLE,
    TIMES,
    VEHICLES,
    WAYS,
)


def _guest(draw: Draw) -> dict[str, str]:
    return {"name": draw.pick(PEOPLE), "mood": draw.pick(tuple(ANSWERS_TO_MOOD))}


def _reply_to_mood(slots: Slots) -> dict[str, str]:
    return {"reply": ANSWERS_TO_MOOD[slots["mood"]]}


def _order(draw: Draw) -> dict[str, str]:
    return {"drink": draw.pick(tuple(DRINKS)), "dish": draw.pick(tuple(DISHES)), "name": draw.pick(PEOPLE)}


def _bill(slots: Slots) -> dict[str, str]:
    return {"total": str(DRINKS[slots["drink"]] + DISHES[slots["dish"]])}


def _place(draw: Draw) -> dict[str, str]:
    first, second = draw.pick_two(tuple(WAYS))
    return {"place": first, "other": second, "name": draw.pick(PEOPLE)}


def _way(slots: Slots) -> dict[str, str]:
    (way, minutes), (other_way, _) = WAYS[slots["place"]], WAYS[slots.get("other", slots["place"])]
    return {"way": way, "minutes": str(minutes), "other_way": other_way}


def _booking(draw: Draw) -> dict[str, str]:
    return {
        "party": draw.pick(PARTIES),
        "day": draw.pick(WEEKDAYS),
        "time": draw.pick(TIMES),
        "name": draw.pick(PEOPLE),
    }


def _loss(draw: Draw) -> dict[str, str]:
    return {
        "colour": draw.pick(COLOURS),
        "thing": draw.pick(LOST),
        "vehicle": draw.pick(VEHICLES),
        "name": draw.pick(PEOPLE),
    }


def _weather(draw: Draw) -> dict[str, str]:
    return {"weather": draw.pick(tuple(CLOTHES)), "day": draw.pick(WEEKDAYS), "name": draw.pick(PEOPLE)}


def _advice(slots: Slots) -> dict[str, str]:
    clothes, pastime = CLOTHES[slots["weather"]]
    return {"clothes": clothes, "pastime": pastime}


SCRIPTS = (
    Script(
        draw=_guest,
        solve=_reply_to_mood,
        system=("You are a friendly neighbour.", "You greet people and remember their names."),
        turns=(
            ("Hello, I am {name}.", "Good morning, my name is {name}.", "Hi, {name} here."),
            ("Hello, {name}. How are you today?", "Good day, {name}. How do you feel?"),
            ("I am {mood}, thank you.", "Thank you for asking, I am {mood}.", "Today I am {mood}."),
            ("{reply}, {name}.", "{reply}, {name}. Can I do anything for you?"),
            ("No, thank you. Goodbye.", "Not today. See you soon."),
            ("Goodbye, {name}. Have a nice day.", "See you soon, {name}."),
        ),
    ),
    Script(
        draw=_guest,
        solve=_reply_to_mood,
        system=("You are a friendly neighbour.", "You greet people and remember their names."),
        turns=(
            ("Hello, my name is {name} and I am {mood} today.", "I am {name}. Today I am {mood}."),
            ("Hello, {name}. {reply}.", "{reply}, {name}."),
            ("Do you remember my name?", "What is my name?", "Who am I?"),
            ("Your name is {name}.", "You are {name}."),
        ),
    ),
    Script(
        draw=_order,
        solve=_bill,
        weight=2,
        system=("You are a waiter in a small cafe.", "You take orders in a cafe and add up the bill."),
        turns=(
            (
                "Hello, could I have a {drink}, please?",
                "Good morning. I would like a {drink}.",
                "A {drink} for me.",
            ),
            (
                "Of course, a {drink}. Anything to eat?",
                "Gladly. Would you like something to eat with your {drink}?",
            ),
            ("Yes, a {dish}, please.", "I will take a {dish}.", "A {dish} would be nice. My name is {name}."),
            (
                "One {drink} and one {dish}. That is {total} pounds.",
                "A {drink} and a {dish}, that makes {total} pounds.",
            ),
            ("Here you are.", "Thank you, here is the money.", "Here are {total} pounds."),
            ("Thank you. Your {drink} and your {dish} are coming.", "Thank you. Enjoy your {dish}."),
        ),
    ),
    Script(
        draw=_place,
        solve=_way,
        weight=2,
        system=("You help visitors to find their way in a small town.",),
        turns=(
            (
                "Excuse me, how do I get to the {place}?",
                "Where is the {place}, please?",
                "I am looking for the {place}.",
            ),
            ("To get to the {place}, {way}.", "It is easy to find the {place}: {way}."),
            ("How long does it take?", "Is it far?", "How far is that on foot?"),
            (
                "The {place} is about {minutes} minutes from here.",
                "It takes about {minutes} minutes on foot.",
            ),
            (
                "And where is the {other}?",
                "How do I get to the {other} from here?",
                "I also want to see the {other}.",
            ),
            ("To get to the {other}, {other_way}.", "For the {other}, {other_way}."),
        ),
    ),
    Script(
        draw=_place,
        solve=_way,
        turns=(
            (
                "Hello, I am {name}. Which way is the {place}?",
                "My name is {name} and I want to see the {place}.",
            ),
            ("Hello, {name}. To get to the {place}, {way}.", "Welcome, {name}. For the {place}, {way}."),
            ("Thank you. Is it far?", "Thanks. How many minutes is that?"),
            ("No, {name}, about {minutes} minutes.", "The {place} is about {minutes} minutes from here."),
        ),
    ),
    Script(
        draw=_booking,
        weight=2,
        system=("You take bookings for a restaurant.", "You answer the telephone of a restaurant."),
        turns=(
            ("I would like to book a table for {party}.", "Hello, have you got a table for {party}?"),
            (
                "Certainly, a table for {party}. For which day?",
                "Yes, gladly. On which day do you want to come?",
            ),
            ("On {day}, please.", "We would like to come on {day}.", "{day} would be best."),
            ("At what time on {day}?", "{day} is possible. When will you arrive?"),
            ("At {time}.", "We will be there at {time}.", "Around {time}, please."),
            ("And what is your name, please?", "At {time}, very well. Under which name?"),
            ("My name is {name}.", "{name}, please.", "Please write {name}."),
            (
                "Thank you, {name}. A table for {party} on {day} at {time} is booked.",
                "I have booked a table for {party} on {day} at {time}. See you then, {name}.",
            ),
        ),
    ),
    Script(
        draw=_loss,
        weight=2,
        system=("You work in a lost property office.",),
        turns=(
            ("I have lost my {thing}. It is {colour}.", "Hello, has anyone found a {colour} {thing}?"),
            (
                "I am sorry. Where did you lose your {thing}?",
                "Let us look for the {colour} {thing}. Where were you?",
            ),
            (
                "I think it was on the {vehicle}.",
                "I left it on the {vehicle}.",
                "On the {vehicle}, I am {name}.",
            ),
            (
                "You are lucky: a {colour} {thing} was found on the {vehicle}.",
                "Yes, somebody brought a {colour} {thing} from the {vehicle}.",
            ),
            ("Where can I get it?", "Wonderful. When can I fetch it?"),
            (
                "Your {thing} is here, you can take it today.",
                "Come to our office today and ask for the {colour} {thing}.",
            ),
        ),
    ),
    Script(
        draw=_weather,
        solve=_advice,
        system=("You give advice about the weather.",),
        turns=(
            (
                "It is {weather} this {day}. What shall I wear?",
                "What do I put on when it is {weather}? I am {name}.",
            ),
            ("When it is {weather}, wear {clothes}.", "I would take {clothes}."),
            ("And what can we do on {day}?", "What can I do today?", "Have you an idea for {day}?"),
            ("You could {pastime}.", "When it is {weather}, it is nice to {pastime}."),
        ),
    ),
)

DIALOGUE = Chat(name="chat-dialogue", scripts=SCRIPTS, asks_questions=False)

"""Takes generated dialogues, checks that what was said once holds to the end."""

import re

import pytest

from twosignal.text.synthetic.dialogue import DIALOGUE
from twosignal.text.synthetic.town import DISHES, DRINKS, WAYS

from .exchanges import conversation

FOUND = list(DIALOGUE.conversations(source="s", limit=1500))
CAFE = (
    "Hello, could I have a tea, please?",
    "Of course, a tea. Anything to eat?",
    "Yes, a scone, please.",
    "One tea and one scone. That is 4 pounds.",
    "Here you are.",
    "Thank you. Enjoy your scone.",
)


def test_dialogues_have_two_to_four_answers_and_some_a_system_message() -> None:
    answers = {sum(message.role == "assistant" for message in c.messages) for c in FOUND}
    assert answers == {2, 3, 4}
    share = sum(c.messages[0].role == "system" for c in FOUND) / len(FOUND)
    assert 0.2 < share < 0.5
    assert all(c.messages[-1].role == "assistant" for c in FOUND)


def test_bills_add_up() -> None:
    prices = {**DRINKS, **DISHES}
    num_bills = 0
    for found in FOUND:
        for message in found.messages:
            match = re.search(
                r"(?:One|A) ([\w ]+?)(?: and one | and a )(\w+)[.,].* (\d+) pounds", message.content
            )
            if match:
                num_bills += 1
                assert prices[match[1]] + prices[match[2]] == int(match[3])
    assert num_bills > 100


def test_ways_lead_to_their_places() -> None:
    num_ways = 0
    for found in FOUND:
        for message in found.messages:
            match = re.search(r"(?:to|For|find) the ([a-z ]+?)[,:] (.+)\.$", message.content)
            if match and message.role == "assistant":
                num_ways += 1
                assert WAYS[match[1]][0] == match[2]
    assert num_ways > 100


def test_names_are_remembered() -> None:
    num_named = 0
    for found in FOUND:
        said = " ".join(message.content for message in found.messages if message.role == "user")
        named = re.search(
            r"(?:Hello|Goodbye|soon|Thank you|then|name is|You are), ?(?P<n>[A-Z]\w+)",
            found.messages[-1].content,
        )
        if named:
            num_named += 1
            assert named["n"] in said
    assert num_named > 100


def test_a_dialogue_is_judged_by_its_facts() -> None:
    assert DIALOGUE.is_right(conversation(*CAFE))
    assert DIALOGUE.is_right(conversation(*CAFE, system="You are a waiter in a small cafe."))


@pytest.mark.parametrize(
    ("turn", "wrong"),
    [
        (1, "Of course, a coffee. Anything to eat?"),
        (3, "One tea and one scone. That is 5 pounds."),
        (3, "One tea and one muffin. That is 6 pounds."),
        (5, "Thank you. Enjoy your muffin."),
        (5, "Goodbye."),
    ],
)
def test_a_wrong_fact_makes_a_dialogue_wrong(turn: int, wrong: str) -> None:
    assert not DIALOGUE.is_right(conversation(*CAFE[:turn], wrong, *CAFE[turn + 1 :]))

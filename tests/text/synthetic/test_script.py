"""Takes small scripts made up here, checks how they are played, counted, and read backwards."""

from random import Random

import pytest

from twosignal.text.conversation import Conversation, Message, Origin
from twosignal.text.synthetic.script import Chat, Draw, Script, Slots, follows_nothing

from .exchanges import conversation


def double(slots: Slots) -> dict[str, str]:
    return {"b": str(2 * int(slots["a"]))}


def digit(draw: Draw) -> dict[str, str]:
    return {"a": str(draw.below(5))}


DOUBLE = Script(
    turns=(("Twice {a}?", "{a} and {a}?"), ("It is {b}.", "{a} gives {b}.")),
    draw=digit,
    solve=double,
    system=("Be exact.",),
)
NAME = Script(
    turns=(("I am {name}.",), ("Hello, {name}.",), ("And {name} says goodbye.",), ("Goodbye, {name}.",)),
    draw=lambda draw: {"name": draw.pick(("Ann", "Mary Ann"))},
)
ASKING = Chat(name="doubles", scripts=(DOUBLE,), asks_questions=True)


def test_draws_follow_from_the_name_alone() -> None:
    assert [Draw("x").below(1000) for _ in range(2)] == [Draw("x").below(1000)] * 2
    one, same, other = (Draw(name) for name in ("x", "x", "y"))
    drawn = [one.below(1000) for _ in range(20)]
    assert drawn == [same.below(1000) for _ in range(20)]
    assert drawn != [other.below(1000) for _ in range(20)]


def test_draws_use_only_the_stable_method_of_random(monkeypatch: pytest.MonkeyPatch) -> None:
    for method in ("randrange", "choice", "uniform", "shuffle", "sample"):
        monkeypatch.delattr(Random, method)
    draw = Draw("x")
    assert {draw.between(2, 4) for _ in range(100)} == {2, 3, 4}
    assert {draw.pick("ab") for _ in range(50)} == {"a", "b"}
    assert {draw.pick_two("abc") for _ in range(200)} == {(x, y) for x in "abc" for y in "abc" if x != y}
    assert 300 < sum(draw.is_lucky(0.4) for _ in range(1000)) < 500


def test_slots_are_filled_with_what_was_drawn_and_what_follows() -> None:
    messages = DOUBLE.play(Draw("x"))
    said = [message for message in messages if message.role != "system"]
    assert [message.role for message in said] == ["user", "assistant"]
    assert DOUBLE.is_followed([message.content for message in said])


def test_system_messages_begin_some_exchanges() -> None:
    draw = Draw("x")
    played = [DOUBLE.play(draw) for _ in range(200)]
    with_system = [messages for messages in played if messages[0].role == "system"]
    assert 50 < len(with_system) < 110
    assert {messages[0].content for messages in with_system} == {"Be exact."}


@pytest.mark.parametrize(
    ("texts", "is_right"),
    [
        (["Twice 3?", "It is 6."], True),
        (["3 and 3?", "3 gives 6."], True),
        (["Twice 3?", "It is 7."], False),
        (["Twice 3?", "4 gives 8."], False),
        (["3 and 4?", "3 gives 6."], False),
        (["Twice three?", "It is 6."], False),
        (["Twice 3?", "It is 6"], False),
        (["Twice 3?"], False),
    ],
)
def test_an_exchange_is_judged_by_recomputing_it(texts: list[str], is_right: bool) -> None:
    assert DOUBLE.is_followed(texts) == is_right


def test_a_slot_keeps_its_value_through_all_turns() -> None:
    assert NAME.is_followed(
        ["I am Mary Ann.", "Hello, Mary Ann.", "And Mary Ann says goodbye.", "Goodbye, Mary Ann."]
    )
    assert not NAME.is_followed(["I am Ann.", "Hello, Ann.", "And Ann says goodbye.", "Goodbye, Ben."])
    assert follows_nothing({"a": "1"}) == {}


def test_no_question_is_asked_twice_until_all_are_used_up() -> None:
    found = list(ASKING.conversations(source="s", limit=10))
    questions = [m.content for c in found for m in c.messages if m.role == "user"]
    assert sorted(questions) == sorted(
        [f"Twice {n}?" for n in range(5)] + [f"{n} and {n}?" for n in range(5)]
    )


def test_conversations_grow_when_short_ones_are_used_up() -> None:
    found = list(ASKING.conversations(source="s", limit=600))
    lengths = [sum(message.role == "user" for message in c.messages) for c in found]
    assert lengths[:10] == [1] * 10
    assert set(lengths[10:]) >= {2}
    assert len({c.fingerprint for c in found}) == 600
    assert all(map(ASKING.is_right, found))


def test_only_the_first_message_may_be_a_system_message() -> None:
    found = list(ASKING.conversations(source="s", limit=300))
    first = sum(c.messages[0].role == "system" for c in found)
    assert 0 < first == sum(message.role == "system" for c in found for message in c.messages)


def test_a_share_of_conversations_holds_two_exchanges() -> None:
    chat = Chat(name="x", scripts=(DOUBLE, NAME), asks_questions=False, double_share=0.5)
    found = list(chat.conversations(source="s", limit=30))
    lengths = {sum(message.role == "user" for message in c.messages) for c in found}
    assert lengths >= {2, 3}
    assert all(map(chat.is_right, found))


def test_scripts_are_played_by_their_weight() -> None:
    light = Script(turns=(("Light {a}",), ("Yes.",)), draw=lambda draw: {"a": str(draw.below(10**9))})
    heavy = Script(turns=(("Heavy {a}",), ("Yes.",)), draw=light.draw, weight=4)
    found = Chat(name="x", scripts=(light, heavy), asks_questions=True).conversations(source="s", limit=500)
    assert 370 < sum(c.messages[0].content.startswith("Heavy") for c in found) < 430


def test_judging_looks_past_a_system_message_and_spaces_around_answers() -> None:
    assert ASKING.is_right(conversation("Twice 3?", " It is 6.\n", system="Anything."))


def test_judging_refuses_what_is_no_exchange() -> None:
    alone = Message(role="system", content="Be exact.")
    origin = Origin(source="s", file="f", line=1)
    assert not ASKING.is_right(Conversation(messages=(alone,), origin=origin))
    assert not ASKING.is_right(conversation("Twice 3?"))
    assert not ASKING.is_right(conversation("What now?", "It is 6."))
    assert not ASKING.is_right(conversation("Twice 3?", "It is 6.", "Twice 4?", "It is 9."))
    assert ASKING.is_right(conversation("Twice 3?", "It is 6.", "Twice 4?", "It is 8."))

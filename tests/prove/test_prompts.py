"""S3: answers stand behind the prompts they will be asked for with, at any hour, here and in transformers."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pytest

from tests.prove import pipelines
from tests.prove.pipelines import CHATS, Spoil, chat, made_by
from tests.prove.test_canary import TOKENIZERS
from tests.tokens import families, saved
from twosignal.prove.drawing import Made
from twosignal.prove.prompts import check_inference_match
from twosignal.text.conversation import Conversation
from twosignal.tokens.render import Renderer
from twosignal.tokens.tokenizer import Tokenizer


@pytest.mark.parametrize("name", [name for name in TOKENIZERS if name != "characters"])
def test_our_own_rendering_passes(name: str) -> None:
    tokenizer = TOKENIZERS[name]()
    check = check_inference_match(made_by(tokenizer), tokenizer, CHATS)
    assert (check.id, check.passed) == ("S3", True)
    assert check.evidence == {"answers": 5, "without_prompt": 0, "served": 3}


def thinking(made: Made, tokenizer: Tokenizer) -> Made:
    """A24: the training template writes more into earlier turns than the one that serves."""
    at = int(np.flatnonzero(made.ids == tokenizer.end_of_turn_id)[0])
    more = np.array(tokenizer.encode(" indeed"), np.int32)
    mask = np.zeros(len(more), bool)
    return Made(np.insert(made.ids, at, more), np.insert(made.supervised, at, mask))


@pytest.mark.parametrize(
    ("spoil", "kind", "said"),
    [
        (thinking, "unstable-rendering", "message 2 is learned after other tokens than those of its prompt"),
        (pipelines.early, "wrong-targets", "before message 2 is learned, and the prompt supplies it"),
        (pipelines.everything, "wrong-targets", "before message 2 is learned"),
        (pipelines.twice_begun, "unstable-rendering", "it begins with the token that begins texts twice"),
    ],
)
def test_another_text_than_at_inference_is_found(spoil: Spoil, kind: str, said: str) -> None:
    tokenizer = saved.llama3()
    check = check_inference_match(made_by(tokenizer, spoil), tokenizer, CHATS)
    assert (check.passed, check.kind) == (False, kind)
    assert check.message.startswith("chats.jsonl:1: ")
    assert said in check.message
    assert check.evidence["text"]
    assert check.remedy


def test_the_difference_is_shown_on_both_sides() -> None:
    tokenizer = saved.llama3()
    check = check_inference_match(made_by(tokenizer, thinking), tokenizer, CHATS)
    ours, theirs = check.evidence["text"].split("--- and elsewhere:")
    assert "France? indeed" in ours
    assert "indeed" not in theirs


def dated(*, in_answers: bool) -> Tokenizer:
    """ChatML that writes the date at its beginning, or before every end of turn."""
    date = "{{ strftime_now('%d %B %Y') }}"
    template = (
        saved.CHATML.replace("m.content +", "m.content + strftime_now('%d %B %Y') +")
        if in_answers
        else date + saved.CHATML
    )
    return saved.build(
        saved.saved_files(
            saved.byte_level_backend(),
            template=template,
            controls=saved.CHATML_CONTROLS,
            eos_token="<|im_end|>",
        )
    )


def test_a_date_in_what_is_learned_is_found() -> None:
    tokenizer = dated(in_answers=True)
    check = check_inference_match(made_by(tokenizer), tokenizer, CHATS)
    assert (check.passed, check.kind) == (False, "unstable-rendering")
    assert "writes the date into what is learned" in check.message
    assert "2001" in check.evidence["text"]
    assert "2033" in check.evidence["text"]
    assert "fixed date" in check.remedy


def test_a_date_in_the_prompt_is_told_with_the_day_the_data_is_rendered_as_of() -> None:
    """Llama 3.2 writes today's date into the system text; a store of another day is compared with that day."""
    tokenizer = dated(in_answers=False)
    day = datetime(2024, 7, 26, 12, 30)
    renderer = Renderer(tokenizer, now=day)

    def make(conversations: Sequence[Conversation]) -> list[Made | None]:
        return [Made(e.ids, e.supervised) for (e,) in renderer.render_each(conversations)]

    check = check_inference_match(make, tokenizer, CHATS, clock=day)
    assert (check.passed, check.evidence["served"]) == (True, 3)
    assert check.message.endswith("this data is rendered as of 2024-07-26 12:30")
    today = check_inference_match(make, tokenizer, CHATS)
    assert (today.passed, today.kind) == (False, "unstable-rendering")


def test_a_question_at_the_end_is_no_difference_where_earlier_answers_are_rewritten() -> None:
    tokenizer = families.family("qwen3")
    open_end = [chat("Hello.", "Hello there.", "How are you?")]
    check = check_inference_match(made_by(tokenizer), tokenizer, open_end)
    assert (check.passed, check.evidence["served"]) == (True, 1)


def test_a_template_that_takes_parts_is_given_parts() -> None:
    tokenizer = families.family("smolvlm")
    check = check_inference_match(made_by(tokenizer), tokenizer, CHATS)
    assert (check.passed, check.evidence["served"]) == (True, 3)


def test_an_ending_that_transformers_would_not_write_is_found() -> None:
    """Prompts all agree; what follows the last answer does not."""
    tokenizer = saved.chatml()

    def longer(made: Made, _: Tokenizer) -> Made:
        return (
            Made(made.ids[:-1], made.supervised[:-1])
            if len(made.ids) % 2
            else Made(np.append(made.ids, made.ids[-1:]), np.append(made.supervised, False))
        )

    check = check_inference_match(made_by(tokenizer, longer), tokenizer, [chat("a", "b"), *CHATS])
    assert (check.passed, check.kind) == (False, "unstable-rendering")
    assert "transformers makes other tokens of it" in check.message


def test_without_answers_there_is_nothing_to_compare() -> None:
    tokenizer = saved.chatml()
    assert check_inference_match(made_by(tokenizer), tokenizer, [chat("alone")]).passed is None

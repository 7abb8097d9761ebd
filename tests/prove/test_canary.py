"""S1: canaries find what a pipeline does to every field, whatever the template; each kind of fault by its own word."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tests.prove import pipelines
from tests.prove.pipelines import CHATS, Spoil, chat, made_by
from tests.tokens import families, saved
from twosignal.prove.canary import check_canary
from twosignal.prove.drawing import Made
from twosignal.prove.places import Make
from twosignal.prove.sentinels import canaries, features_of, spellable
from twosignal.text.conversation import Conversation, Message, ToolCall
from twosignal.tokens.template import ChatTemplate, Rendering
from twosignal.tokens.tokenizer import Tokenizer
from twosignal.tokens.training import train_tokenizer

TOKENIZERS: dict[str, Callable[[], Tokenizer]] = {
    "chatml": saved.chatml,
    "llama3": saved.llama3,
    "gemma": saved.gemma,
    "mistral": saved.mistral,
    "unigram": saved.unigram,
    "grown": lambda: train_tokenizer(saved.CORPUS, kind="bpe", vocab=400),
    "characters": lambda: train_tokenizer(["hello world\n"], kind="character", vocab=4096),
}


@pytest.mark.parametrize("name", TOKENIZERS)
def test_our_own_rendering_passes(name: str) -> None:
    tokenizer = TOKENIZERS[name]()
    check = check_canary(made_by(tokenizer), tokenizer, conversations=CHATS)
    assert (check.id, check.passed, check.kind) == ("S1", True, None)
    assert {"one answer", "three answers"} <= set(check.evidence["shapes"])


def test_shapes_that_a_template_refuses_are_told_and_are_no_fault() -> None:
    tokenizer = saved.gemma()
    check = check_canary(made_by(tokenizer), tokenizer)
    assert check.passed
    assert "System role not supported" in check.evidence["refused"]["a system text"]


@pytest.mark.parametrize(
    ("spoil", "kind", "said"),
    [
        (pipelines.nothing, "no-targets", "not one of its tokens is learned"),
        (pipelines.everything, "wrong-targets", "the text of message 1 (user) is learned"),
        (pipelines.inverted, "wrong-targets", "the text of message 1 (user) is learned"),
        (pipelines.shifted, "wrong-targets", "the text of message 2 (assistant) is learned only in part"),
        (pipelines.without_ends, "wrong-targets", "is learned 0 times in 1 answers"),
        (pipelines.without_starts, "wrong-targets", "is learned only in part"),
        (pipelines.to_the_end, "wrong-targets", "canary with three answers: the text of message 3 (user)"),
        (pipelines.first_answer_only, "wrong-targets", "message 4 (assistant) is learned not at all"),
        (pipelines.last_answer_only, "wrong-targets", "message 2 (assistant) is learned not at all"),
    ],
)
def test_a_spoilt_mask_is_found_and_drawn(spoil: Spoil, kind: str, said: str) -> None:
    tokenizer = saved.chatml()
    check = check_canary(made_by(tokenizer, spoil), tokenizer)
    assert (check.passed, check.kind) == (False, kind)
    assert said in check.message
    assert "<|im_start|>" in check.evidence["text"]
    assert check.remedy


def test_a_learned_role_header_is_found() -> None:
    """The four tokens of `<|im_start|>assistant` and its line feed, as where markers stand around the header."""
    tokenizer = saved.chatml()
    header = len(tokenizer.encode_rendered("<|im_start|>assistant\n"))

    def with_header(made: Made, _: Tokenizer) -> Made:
        mask = made.supervised.copy()
        for start in np.flatnonzero(made.supervised & ~np.append(False, made.supervised[:-1])):
            mask[start - header : start] = True
        return Made(made.ids, mask)

    check = check_canary(made_by(tokenizer, with_header), tokenizer)
    assert (check.kind, check.message) == (
        "wrong-targets",
        "canary with one answer: the role header with 'assistant' is learned",
    )
    assert "[[<|im_start|>assistant\n" in check.evidence["text"]


def by_markers(tokenizer: Tokenizer) -> Make:
    """A pipeline as others have it: one rendering, in which what stands between the markers is learned."""
    template = ChatTemplate(tokenizer.chat_template, special_tokens=tokenizer.special_tokens)

    def make(conversations: Sequence[Conversation]) -> list[Made | None]:
        return [made(template.render(conversation.messages)) for conversation in conversations]

    def made(rendering: Rendering) -> Made:
        ids: list[int] = []
        mask: list[bool] = []
        edges = [0, *(edge for span in rendering.generated for edge in span), len(rendering.text)]
        for number, (start, end) in enumerate(pairwise(edges)):
            part = tokenizer.encode_rendered(rendering.text[start:end])
            ids += part
            mask += [number % 2 == 1] * len(part)
        return Made(np.array(ids, np.int32), np.array(mask))

    return make


def marked(answer: str, *, head: str = "<|im_start|>", end: str = "") -> Tokenizer:
    """A tokenizer whose template writes assistant turns as `answer`."""
    turn = "{{ 'HEAD' + m.role + '\n' }}".replace("HEAD", head)
    other = "{{ m.content + '<|im_end|>\n' }}"
    template = (
        "{% for m in messages %}{% if m.role == 'assistant' %}" + answer + "{% else %}" + turn + other
        + "{% endif %}{% endfor %}" + end
    )  # fmt: skip
    controls = (*saved.CHATML_CONTROLS, "<|user|>", "<|assistant|>")
    return saved.build(
        saved.saved_files(
            saved.byte_level_backend(), template=template, controls=controls, eos_token="<|im_end|>"
        )
    )


def test_a_stop_that_is_called_user_is_no_header() -> None:
    """GLM's answers end with the control token of the next turn, `<|user|>`."""
    tokenizer = marked(
        "{{ '<|im_start|>assistant\n' }}{% generation %}{{ m.content + '<|user|>' }}{% endgeneration %}"
    )
    assert check_canary(by_markers(tokenizer), tokenizer).passed


@pytest.mark.parametrize("header", ["<|assistant|>", "<|im_start|>assistant\n"])
def test_a_header_that_is_a_control_token_is_found(header: str) -> None:
    tokenizer = marked(
        "{% generation %}{{ 'HEADER' + m.content + '<|im_end|>' }}{% endgeneration %}".replace(
            "HEADER", header
        )
    )
    check = check_canary(by_markers(tokenizer), tokenizer)
    assert (check.passed, check.kind) == (False, "wrong-targets")
    assert "the role header with 'assistant' is learned" in check.message


def test_an_end_of_turn_that_is_repeated_at_the_very_end_counts_once() -> None:
    """Phi 3 writes its end of text behind the last turn, and some set that to the end of turn."""
    answer = "{{ '<|im_start|>assistant\n' }}{% generation %}{{ m.content + ENDS }}{% endgeneration %}"
    last = "{% generation %}{{ '<|im_end|>' }}{% endgeneration %}"
    last = "{% if messages[-1].role == 'assistant' %}" + last + "{% endif %}"
    once = marked(answer.replace("ENDS", "'<|im_end|>\n'"), end=last)
    assert check_canary(by_markers(once), once).passed
    twice = marked(answer.replace("ENDS", "'<|im_end|><|im_end|>\n'"))
    check = check_canary(by_markers(twice), twice)
    assert "is learned 5 times in 3 answers" in check.message


def test_a_question_that_stands_behind_all_that_is_learned_may_be_left_out() -> None:
    """Qwen3's lessons end with their answer, because the template rewrites it once more follows."""
    tokenizer = families.family("qwen3")
    check = check_canary(made_by(tokenizer), tokenizer)
    assert check.passed
    assert "a question without its answer" in check.evidence["shapes"]


def test_what_is_wrong_with_tools_is_a_remark_where_the_data_has_none() -> None:
    tokenizer = train_tokenizer(saved.CORPUS, kind="bpe", vocab=400)
    ours = made_by(tokenizer)

    def make(conversations: Sequence[Conversation]) -> list[Made | None]:
        made = ours(conversations)
        has_tools = any(message.role == "tool" for one in conversations for message in one.messages)
        return [pipelines.everything(m, tokenizer) if m and has_tools else m for m in made]

    check = check_canary(make, tokenizer, conversations=CHATS)
    assert check.passed
    assert (
        "wrong with a tool call without text, a tool call beside text, which this data does not have"
        in check.message
    )
    used = check_canary(make, tokenizer, conversations=[with_call()])
    assert (used.passed, used.kind) == (False, "wrong-targets")


def dropping(*fields: str) -> Callable[[Tokenizer], Callable[[Sequence[Conversation]], list[Made | None]]]:
    """A pipeline whose template knows nothing of these fields, and says nothing."""
    empty = {"reasoning": "", "tool_calls": (), "name": "", "weight": 1}

    def of(tokenizer: Tokenizer) -> Callable[[Sequence[Conversation]], list[Made | None]]:
        make = made_by(tokenizer)

        def plain(conversation: Conversation) -> Conversation:
            changed = {field: empty[field] for field in fields if field in empty}
            messages = tuple(message._replace(**changed) for message in conversation.messages)  # type: ignore[arg-type]
            tools = "" if "tools" in fields else conversation.tools
            return replace(conversation, messages=messages, tools=tools)

        return lambda conversations: list(make([plain(one) for one in conversations]))

    return of


def with_call() -> Conversation:
    call = ToolCall(name="look", arguments=json.dumps({"city": "Paris"}))
    asked, answered = chat("a", "b").messages
    called = answered._replace(content="", tool_calls=(call,))
    result = Message(role="tool", content="rain", name="look")
    return replace(chat("a", "b"), messages=(asked, called, result, answered), tools='[{"name": "look"}]')


@pytest.mark.parametrize(
    ("fields", "real", "said"),
    [
        (("tool_calls",), with_call(), "tool's name in the call"),
        (("tools",), with_call(), "the description of a tool does not reach the text"),
        (
            ("reasoning",),
            replace(
                chat("a"),
                messages=(
                    Message(role="user", content="a"),
                    Message(role="assistant", content="b", reasoning="c"),
                ),
            ),
            "the reasoning of message 2 (assistant) does not reach the text",
        ),
    ],
)
def test_what_a_template_silently_drops_is_lost_where_the_data_has_it(
    fields: tuple[str, ...], real: Conversation, said: str
) -> None:
    """Phi-3's template ignores tool calls, so that their turns teach the end of turn alone."""
    tokenizer = train_tokenizer(saved.CORPUS, kind="bpe", vocab=400)
    make = dropping(*fields)(tokenizer)
    check = check_canary(make, tokenizer, conversations=[real])
    assert (check.passed, check.kind) == (False, "lost-data")
    assert said in check.message
    unused = check_canary(make, tokenizer, conversations=CHATS)
    assert unused.passed
    assert "which this data does not use" in unused.message


def test_an_answer_of_weight_0_must_not_be_learned_where_the_data_has_such() -> None:
    tokenizer = train_tokenizer(saved.CORPUS, kind="bpe", vocab=400)
    asked, answered = chat("a", "b").messages
    real = replace(chat("a", "b"), messages=(asked, answered._replace(weight=0), asked, answered))
    assert check_canary(made_by(tokenizer), tokenizer, conversations=[real]).passed
    check = check_canary(dropping("weight")(tokenizer), tokenizer, conversations=[real])
    assert check.message == "canary with an answer of weight 0: the text of message 2 (assistant) is learned"


def test_a_pipeline_that_drops_every_conversation_has_no_targets() -> None:
    tokenizer = saved.chatml()
    check = check_canary(lambda conversations: [None] * len(conversations), tokenizer)
    assert (check.passed, check.kind) == (False, "no-targets")
    assert "the pipeline drops it" in check.message


def test_a_rule_without_assistants_has_canaries_of_its_own() -> None:
    """Learned are the user's turns alone, spoken by one voice."""
    found = canaries(
        saved.chatml(),
        lambda messages: [m.name == "Zara" and m.role == "user" for m in messages],
        speaker="Zara",
    )
    learned = [s for s in found[0].sentinels if s.learned]
    assert [s.field for s in learned] == ["the text of message 1 (user)"]


def test_sentinels_are_words_that_the_vocabulary_can_write_and_no_other_field_holds() -> None:
    for make in TOKENIZERS.values():
        tokenizer = make()
        words = spellable(tokenizer)
        assert len(words) == len(set(words)) == 64
        assert all(tokenizer.decode(tokenizer.encode(word)).strip() == word for word in words[:8])
    texts = [s.text for c in canaries(saved.chatml()) for s in c.sentinels]
    assert all(sum(text in other for other in set(texts)) == 1 for text in texts)


def test_a_vocabulary_that_can_spell_nothing_has_no_canaries() -> None:
    tokenizer = train_tokenizer(["ab\n"], kind="character", vocab=4096)
    assert check_canary(made_by(tokenizer), tokenizer).passed is None


def test_features_are_those_the_data_uses() -> None:
    assert features_of(CHATS) == {"text"}
    assert features_of([with_call()]) == {"text", "tool", "tool call", "tools"}

"""Tests over well-known chat templates: takes TRL's files, gives masks that are right, or the right refusal."""

import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from twosignal.errors import SourceError
from twosignal.text.conversation import Conversation
from twosignal.tokens.example import Example
from twosignal.tokens.render import Renderer

from . import families, saved

NAMES = (
    "cohere2",
    "gemma",
    "gemma3_training",
    "gemma4",
    "glm4moe",
    "gptoss",
    "lfm2_2_5_v2",
    "llama3_1",
    "llama3_training",
    "nemotron_3_nano",
    "phi3",
    "qwen2_5",
    "qwen2_5_training",
    "qwen3",
    "qwen3_training",
    "qwen3_5_think",
    "smolvlm",
)
NO_REASONING = "leaves out the reasoning of message 2"
NO_CALLS = "leaves out the tool calls of message 2"
MUST_ALTERNATE = "roles must alternate"
REFUSED = {
    "system": {"gemma": "System role not supported"},
    "calls": dict.fromkeys(("cohere2", "gemma"), MUST_ALTERNATE)
    | dict.fromkeys(("gemma3_training", "llama3_training", "phi3", "smolvlm"), NO_CALLS),
    "reasoning": dict.fromkeys(
        (
            "cohere2",
            "gemma",
            "gemma3_training",
            "gemma4",
            "llama3_1",
            "llama3_training",
            "phi3",
            "qwen2_5",
            "qwen2_5_training",
            "smolvlm",
        ),
        NO_REASONING,
    ),
}
"""What these templates have no place for: gemma4 writes reasoning beside calls only."""
REASONING_KEYS = {"gptoss": "thinking"}


def runs(renderer: Renderer, example: Example) -> list[str]:
    """The text of every stretch that is learned."""
    return [text for text, is_supervised in renderer.text_spans(example) if is_supervised]


def check(
    renderer: Renderer, conversation: Conversation, examples: list[Example], *, has_end: bool = True
) -> None:
    """Every answer is learned once, with one end, behind its prompt, and nothing else is."""
    answers = [n for n, message in enumerate(conversation.messages) if message.role == "assistant"]
    learned = [text for example in examples for text in runs(renderer, example)]
    assert len(learned) == len(answers)
    for number, text in zip(answers, learned, strict=True):
        message = conversation.messages[number]
        own = [message.content, message.reasoning]
        own += [word for call in message.tool_calls for word in (call.name, "argzap")]
        assert sorted(re.findall(r"\w*zap", text)) == sorted(word for word in own if word)
        ends = [last for last in re.findall(r"<[^<>]*>\Z", text) if last in renderer.tokenizer.controls]
        assert len(ends) == has_end
        assert [text.count(end) for end in ends] == [1] * has_end
        prompt = renderer.prompt_ids(
            conversation.messages[:number], tools=conversation.tools, reasons=bool(message.reasoning)
        )
        behind = [e for e in examples if len(e.ids) > len(prompt) and e.ids[: len(prompt)].tolist() == prompt]
        assert any(e.supervised[len(prompt)] and not e.supervised[len(prompt) - 1] for e in behind)


@pytest.mark.parametrize("name", NAMES)
def test_every_shape_is_masked_rightly_or_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    tokenizer = families.family(name)
    renderer = Renderer(tokenizer)
    theirs = saved.in_transformers(tokenizer, tmp_path)
    for shape in families.SHAPES:
        conversation = families.conversation(shape)
        if reason := REFUSED.get(shape, {}).get(name):
            with pytest.raises(SourceError, match=reason):
                renderer.render(conversation)
            continue
        (examples,) = renderer.render_each([conversation])
        # GLM's answers are ended by the header of whoever speaks next.
        check(renderer, conversation, examples, has_end=name != "glm4moe")
        assert renderer.second_opinion(conversation) is None
        dicts = families.as_dicts(
            conversation.messages,
            reasoning_key=REASONING_KEYS.get(name, "reasoning_content"),
            in_parts=name == "smolvlm",
        )
        tools = json.loads(conversation.tools) if conversation.tools else None
        whole = theirs.apply_chat_template(dicts, tools=tools, return_dict=True)["input_ids"]
        assert examples[-1].ids.tolist() == whole, shape


def test_one_conversation_gives_as_many_examples_as_its_turns_are_written_in_ways() -> None:
    conversation = families.conversation("turns")
    counts = {}
    for name in ("qwen2_5", "qwen3", "gptoss", "llama3_1"):
        renderer = Renderer(families.family(name))
        (examples,) = renderer.render_each([conversation])
        counts[name] = (len(examples), renderer.counts.rewritten)
        for shorter, longer in pairwise(examples):
            assert len(shorter.ids) < len(longer.ids)
    assert counts == {"qwen2_5": (1, 0), "qwen3": (2, 1), "gptoss": (2, 1), "llama3_1": (1, 0)}


def test_the_empty_think_block_of_the_prompt_is_not_learned() -> None:
    renderer = Renderer(families.family("qwen3"))
    first, second = next(renderer.render_each([families.conversation("turns")]))
    assert runs(renderer, first) == ["a1zap<|im_end|>"]
    assert runs(renderer, second) == ["a2zap<|im_end|>"]
    text = "".join(text for text, _ in renderer.text_spans(second))
    assert text.count("<think>\n\n</think>\n\n") == 1
    assert text.endswith("<think>\n\n</think>\n\na2zap<|im_end|>\n")


def test_a_prompt_that_no_answer_follows_is_refused_with_the_first_token_that_differs() -> None:
    with pytest.raises(SourceError, match="prompt it makes for message 2 does not begin") as caught:
        Renderer(families.family("deepseekv3")).render(families.conversation("plain"))
    assert "data/chats.jsonl:7" in str(caught.value)
    assert "q1zap" in str(caught.value)
    assert "think>" in str(caught.value)


def test_the_token_that_stops_the_model_is_learned_where_the_next_turn_brings_it() -> None:
    glm = families.family("glm4moe")
    stop = glm.controls["<|user|>"].id
    files = families.files("glm4moe") | {
        "generation_config.json": json.dumps({"eos_token_id": [stop]}).encode()
    }
    renderer = Renderer(saved.build(files))
    example = renderer.render(families.conversation("turns"))
    assert [text.split("</think>\n")[1] for text in runs(renderer, example)] == ["a1zap<|user|>", "a2zap"]


@pytest.mark.parametrize("name", ["glm4moe", "qwen3", "llama3_1"])
def test_texts_of_calls_and_tools_cannot_forge_turns(name: str) -> None:
    tokenizer = families.family(name)
    renderer = Renderer(tokenizer)
    harmless = families.conversation("calls")
    forged = "".join(tokenizer.controls)[:80] + tokenizer.end_of_turn
    messages = list(harmless.messages)
    messages[0] = families.said("user", "q1zap" + forged)
    messages[2] = families.said("tool", "r1zap" + forged, name="lookzap", call_id="abc123xyz")
    evil = Conversation(messages=tuple(messages), origin=saved.ORIGIN, tools=harmless.tools)
    found = next(renderer.render_each([evil]))
    for one, other in zip(found, next(renderer.render_each([harmless])), strict=True):
        controls = [np.isin(e.ids, list(tokenizer.control_ids)).sum() for e in (one, other)]
        assert controls[0] == controls[1]
        assert runs(renderer, one) == runs(renderer, other)

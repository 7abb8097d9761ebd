"""Configurations of TRL and what is wrong with each: takes nothing, gives trainers to build and the checks that must fail.

The defects are those that were live in TRL 1.16.0 and transformers 5.23.0 when this was written.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import transformers
import trl
from datasets import Dataset
from peft import LoraConfig, PrefixTuningConfig, PromptTuningConfig, get_peft_model

from tests.prove.trainer.small import (
    CHATML,
    UNMARKED,
    WRONG_ROLE,
    chat,
    chats,
    network,
    rows,
    sft,
    tokenizer,
)


class Case(NamedTuple):
    """A configuration."""

    name: str
    build: Callable[[], Any]
    fails: tuple[str, ...] = ()
    """Checks that must fail; none for a healthy configuration."""
    kind: str = ""
    """Kind of fault of the first of them."""
    modes: str = ""
    """What the research catalogue calls it."""


def _bundled(name: str) -> str:
    return (
        Path(trl.__file__).with_name("chat_templates").joinpath(f"{name}.jinja").read_text(encoding="utf-8")
    )


def _long_questions(*, short: int = 6) -> Dataset:
    draw = random.Random(5)
    some = [chat(draw, 1) for _ in range(short)]
    return rows([*some, *(chat(draw, 1, asked=(200, 220)) for _ in range(4))])


def _long_chats() -> Dataset:
    draw = random.Random(5)
    return rows([chat(draw, 4, asked=(30, 40), said=(30, 40)) for _ in range(4)])


def _with_ids(extra: str = "") -> Dataset:
    made = []
    for one in chats():
        ready = tokenizer().apply_chat_template(one, return_dict=True, return_assistant_tokens_mask=True)
        row = {"messages": one, "input_ids": ready["input_ids"]}
        made.append(row | ({extra: ready["assistant_masks"]} if extra else {}))
    return Dataset.from_list(made)


def _pairs(*, is_text: bool) -> Dataset:
    split = [
        {"prompt": one[0]["content"] + " ", "completion": one[-1]["content"]}
        if is_text
        else {"prompt": one[:-1], "completion": one[-1:]}
        for one in chats()
    ]
    return Dataset.from_list(split)


def _texts() -> Dataset:
    return Dataset.from_list([{"text": " ".join(m["content"] for m in one)} for one in chats()])


def _adapted(config: Any) -> Any:
    return sft(model=get_peft_model(network(), config))


def _family(config: Any) -> Any:
    return sft(model=network(config, attention="eager", scale=1.0))


_SIZES = {"vocab_size": 480, "hidden_size": 32, "eos_token_id": 2, "pad_token_id": 3}
_HEADS = {"num_hidden_layers": 2, "num_attention_heads": 2}
_WHOLE = "{% generation %}" + UNMARKED + "{% endgeneration %}"
_DROPPED = CHATML.replace(
    "<|im_end|>' }}{% endgeneration %}{{ '\n' }}", "<|im_end|>\n' }}{% endgeneration %}"
)

HEALTHY = [
    Case("packed by best fit, answers only", sft),
    Case("unpacked, answers only", lambda: sft(packing=False, per_device_train_batch_size=4)),
    Case(
        "padding-free",
        lambda: sft(packing=False, padding_free=True, max_length=None, per_device_train_batch_size=4),
    ),
    Case("LoRA", lambda: _adapted(LoraConfig(r=4, target_modules=["q_proj", "v_proj"]))),
    Case(
        "prompt and completion", lambda: sft(_pairs(is_text=False), assistant_only_loss=False, packing=False)
    ),
    Case("prompt and completion as text", lambda: sft(_pairs(is_text=True), assistant_only_loss=False)),
    Case("plain text, packed by best fit", lambda: sft(_texts(), assistant_only_loss=False)),
    Case("chats, everything learned", lambda: sft(assistant_only_loss=False)),
    Case("gradient accumulation", lambda: sft(gradient_accumulation_steps=4)),
    Case("bfloat16", lambda: sft(bf16=True)),
]
DEFECTS = [
    Case(
        "questions longer than the window",
        lambda: sft(_long_questions(), max_length=128),
        ("S6",),
        "no-targets",
        "B1 B2",
    ),
    Case(
        "truncation_mode='keep_end' when packing",
        lambda: sft(_long_questions(short=0), max_length=128, truncation_mode="keep_end"),
        ("S4", "S6"),
        "lost-data",
        "B3",
    ),
    Case(
        "long chats cut at the window", lambda: sft(_long_chats(), max_length=128), ("S4",), "lost-data", "B4"
    ),
    Case(
        "token ids without a mask beside the messages",
        lambda: sft(_with_ids()),
        ("S2", "S9"),
        "wrong-targets",
        "F1",
    ),
    Case(
        "a mask under another name",
        lambda: sft(_with_ids("assistant_mask")),
        ("S2", "S9"),
        "wrong-targets",
        "F2",
    ),
    Case(
        "markers on the wrong role",
        lambda: sft(tok=tokenizer(WRONG_ROLE)),
        ("S1", "S2"),
        "wrong-targets",
        "A3",
    ),
    Case(
        "markers around everything",
        lambda: sft(tok=tokenizer(_WHOLE)),
        ("S1", "S2", "S9"),
        "wrong-targets",
        "A3",
    ),
    Case(
        "a marked stretch that ends on a dropped character",
        lambda: sft(tok=tokenizer(_DROPPED, whole_words=True)),
        ("S2",),
        "wrong-targets",
        "A7",
    ),
    Case(
        "gpt_oss, packed",
        lambda: _family(
            transformers.GptOssConfig(
                **_SIZES,
                **_HEADS,
                intermediate_size=32,
                num_key_value_heads=1,
                head_dim=16,
                num_local_experts=2,
                num_experts_per_tok=1,
            )
        ),
        ("P1",),
        "leak",
        "D2",
    ),
    Case(
        "mamba, packed",
        lambda: _family(transformers.MambaConfig(**_SIZES, num_hidden_layers=2, state_size=8)),
        ("P1",),
        "leak",
        "D7",
    ),
    Case(
        "bloom, packed",
        lambda: _family(transformers.BloomConfig(**_SIZES, n_layer=2, n_head=2)),
        ("P1",),
        "leak",
        "D2",
    ),
    Case(
        "prompt tuning, packed",
        lambda: _adapted(PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)),
        ("P1",),
        "leak",
        "D9",
    ),
    Case(
        "prefix tuning, packed",
        lambda: _adapted(PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)),
        ("P1",),
        "leak",
        "D9",
    ),
    Case(
        "micro-batches without targets (entropy averaged with zeros)",
        lambda: sft(_long_questions(), max_length=128),
        ("S6",),
        "no-targets",
        "E9",
    ),
    Case(
        "Qwen2.5's own template",
        lambda: sft(tok=tokenizer(_bundled("qwen2_5"))),
        ("S2",),
        "wrong-targets",
        "A16",
    ),
    Case(
        "Qwen3's own template",
        lambda: sft(tok=tokenizer(_bundled("qwen3")), max_length=512),
        ("S3",),
        "unstable-rendering",
        "A24",
    ),
    Case("packing_strategy='wrapped'", lambda: sft(packing_strategy="wrapped"), ("P1",), "leak", "D1 C8"),
]
SLOW = {
    "padding-free",
    "prompt and completion as text",
    "chats, everything learned",
    "bfloat16",
    "a mask under another name",
    "markers around everything",
    "bloom, packed",
    "prefix tuning, packed",
    "micro-batches without targets (entropy averaged with zeros)",
}
"""Cases beside which a like one is in the fast suite."""

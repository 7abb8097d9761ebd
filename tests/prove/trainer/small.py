"""Small foreign trainers: takes templates, data and options, gives real TRL and transformers trainers on tiny models."""

import os
import random
import tempfile
from collections.abc import Sequence
from functools import cache
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

import torch
import transformers
from datasets import Dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

CONTROLS = ["<|end|>", "<|im_start|>", "<|im_end|>", "<|pad|>", "<think>", "</think>"]
WORDS = [
    "river",
    "stone",
    "cloud",
    "lamp",
    "paper",
    "green",
    "seven",
    "window",
    "quiet",
    "orbit",
    "candle",
    "market",
    "ladder",
    "bridge",
    "winter",
    "copper",
]
CHATML = (
    "{% for message in messages %}{% if message['role'] == 'assistant' %}<|im_start|>assistant\n"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
    "{% else %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
UNMARKED = CHATML.replace("{% generation %}", "").replace("{% endgeneration %}", "")
WRONG_ROLE = CHATML.replace("== 'assistant'", "== 'user'").replace(
    "<|im_start|>assistant\n{% gen", "<|im_start|>user\n{% gen"
)
END_OUTSIDE = CHATML.replace(
    " + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}", " }}{% endgeneration %}{{ '<|im_end|>\n' }}"
)

Chat = list[dict[str, Any]]


@cache
def tokenizer(template: str = CHATML, *, pad: str = "<|pad|>", whole_words: bool = False) -> Any:
    """Return a tokenizer of bytes, or one of whole words that drops white space, as transformers has it."""
    draw = random.Random(0)
    corpus = [" ".join(draw.choice(WORDS) for _ in range(12)) for _ in range(300)]
    corpus += ["user assistant system tool\n"] * 50
    backend = Tokenizer(models.WordLevel(unk_token="<unk>") if whole_words else models.BPE())
    trainer: Any
    if whole_words:
        backend.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer = trainers.WordLevelTrainer(
            vocab_size=460, special_tokens=["<unk>", *CONTROLS], show_progress=False
        )
    else:
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        backend.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=460,
            special_tokens=CONTROLS,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
    backend.train_from_iterator(corpus, trainer)
    made = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|im_end|>", pad_token=pad)
    made.chat_template = template
    return made


def chat(
    draw: random.Random, turns: int, *, asked: tuple[int, int] = (4, 10), said: tuple[int, int] = (4, 10)
) -> Chat:
    """Return questions and answers of a drawn number of words each."""

    def words(between: tuple[int, int]) -> str:
        return " ".join(draw.choice(WORDS) for _ in range(draw.randint(*between)))

    roles = ["user", "assistant"] * turns
    return [{"role": role, "content": words(asked if role == "user" else said)} for role in roles]


def chats(count: int = 16, *, seed: int = 1, **lengths: Any) -> list[Chat]:
    """Return chats of one to three answers, every fourth with a system text."""
    draw = random.Random(seed)
    made = [chat(draw, draw.randint(1, 3), **lengths) for _ in range(count)]
    return [
        [{"role": "system", "content": "paper lamp"}, *one] if number % 4 == 0 else one
        for number, one in enumerate(made)
    ]


def rows(some: Sequence[Chat]) -> Dataset:
    """Return a data set of messages."""
    return Dataset.from_list([{"messages": one} for one in some])


def encoded(one: Chat, *, is_masked: bool = True) -> dict[str, list[int]]:
    """Return ids and labels of a chat, answers only or everything."""
    made = tokenizer().apply_chat_template(one, return_dict=True, return_assistant_tokens_mask=True)
    labels = [
        token if learned or not is_masked else -100
        for token, learned in zip(made["input_ids"], made["assistant_masks"], strict=True)
    ]
    return {"input_ids": list(made["input_ids"]), "labels": labels}


def network(config: Any = None, *, attention: str = "sdpa", scale: float = 4.0) -> Any:
    """Return a tiny model with opinions, so that a leak shows: a Llama unless a configuration is given."""
    torch.manual_seed(0)
    config = config or transformers.LlamaConfig(
        vocab_size=480,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=2048,
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=3,
    )
    made = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=attention).float()
    with torch.no_grad():
        for weight in made.parameters():
            if weight.ndim >= 2:
                weight.mul_(scale)
    return made


def options(**given: Any) -> dict[str, Any]:
    """Return arguments that every trainer of these tests has."""
    return {
        "output_dir": tempfile.mkdtemp(prefix="foreign-"),
        "report_to": "none",
        "use_cpu": True,
        "max_steps": 2,
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        "per_device_train_batch_size": 1,
        "seed": 0,
        **given,
    }


def sft(data: Any = None, *, model: Any = None, tok: Any = None, **given: Any) -> Any:
    """Return TRL's SFTTrainer: packed, answers only, window of 256, unless told otherwise."""
    settings = {
        "bf16": False,
        "gradient_checkpointing": False,
        "packing": True,
        "assistant_only_loss": True,
        "max_length": 256,
        **given,
    }
    config = SFTConfig(**options(**settings))
    return SFTTrainer(
        model=network() if model is None else model,
        args=config,
        train_dataset=rows(chats()) if data is None else data,
        processing_class=tok or tokenizer(),
    )


def plain(data: Any, collator: Any, *, model: Any = None, tok: Any = None, **given: Any) -> Any:
    """Return transformers' Trainer on ready token ids."""
    more = {name: given.pop(name) for name in ("compute_loss_func",) if name in given}
    arguments = transformers.TrainingArguments(**options(**{"per_device_train_batch_size": 4, **given}))
    return transformers.Trainer(
        model=network() if model is None else model,
        args=arguments,
        train_dataset=data,
        data_collator=collator,
        processing_class=tokenizer() if tok is None else tok,
        **more,
    )

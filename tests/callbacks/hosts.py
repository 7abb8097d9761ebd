"""Foreign trainers in small: takes nothing, gives a tokenizer trained on the spot, made-up chats, a tiny model, trainers."""

import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

WORDS = (
    "alpha",
    "beta",
    "gamma",
    "delta",
    "river",
    "stone",
    "cloud",
    "lamp",
    "paper",
    "green",
    "seven",
    "window",
)
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
    "{% else %}{{ message['content'] + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
Chat = list[dict[str, str]]


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level tokens of a few words; id 0 is `<|zero|>`, which some answers hold."""
    grown = Tokenizer(models.BPE())
    grown.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    grown.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|zero|>", "<|im_start|>", "<|im_end|>", "<|pad|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    grown.train_from_iterator([" ".join(WORDS)] * 20 + ["user assistant system\n"] * 20, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=grown, eos_token="<|im_end|>", pad_token="<|pad|>")
    fast.chat_template = TEMPLATE
    return fast


def chats(number: int, *, seed: int = 1) -> list[Chat]:
    """Questions and answers of uneven length; every sixth answer ends with token id 0."""
    rng = random.Random(seed)

    def words(fewest: int, most: int) -> str:
        return " ".join(rng.choice(WORDS) for _ in range(rng.randint(fewest, most)))

    return [
        [
            {"role": "user", "content": words(3, 8)},
            {"role": "assistant", "content": words(2, 20) + ("<|zero|>" if n % 6 == 0 else "")},
        ]
        for n in range(number)
    ]


def model(*, seed: int = 0) -> LlamaForCausalLM:
    """A Llama of two layers with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(tokenizer()),
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=512,
                initializer_range=0.08,
                bos_token_id=None,
                eos_token_id=tokenizer().eos_token_id,
                pad_token_id=tokenizer().pad_token_id,
            )
        )


def rows(number: int = 32) -> Dataset:
    return Dataset.from_list([{"messages": chat} for chat in chats(number)])


def tokenized(number: int = 32) -> list[dict[str, Any]]:
    """Chats as ids, mask and labels, by the template's own markers."""
    made = []
    for chat in chats(number):
        whole = tokenizer().apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
        ids, mask = list(whole["input_ids"]), list(whole["assistant_masks"])
        labels = [i if m else -100 for i, m in zip(ids, mask, strict=True)]
        made.append({"input_ids": ids, "assistant_masks": mask, "labels": labels})
    return made


def sft(
    folder: Path, *, data: Any = None, callbacks: Sequence[Any] = (), given: Any = None, **settings: Any
) -> SFTTrainer:
    """TRL's trainer on the chats, on the CPU in float32; `settings` replace those here."""
    values: dict[str, Any] = {
        "output_dir": str(folder),
        "report_to": "none",
        "use_cpu": True,
        "bf16": False,
        "activation_checkpointing": False,
        "learning_rate": 1e-3,
        "lr_scheduler_type": "constant",
        "logging_steps": 1,
        "max_steps": 2,
        "save_strategy": "no",
        "disable_tqdm": True,
        "assistant_only_loss": True,
        "max_length": 128,
        "per_device_train_batch_size": 1,
        "seed": 0,
        "dataloader_pin_memory": False,
        **settings,
    }
    return SFTTrainer(
        model=model() if given is None else given,
        args=SFTConfig(**values),
        train_dataset=rows() if data is None else data,
        processing_class=tokenizer(),
        callbacks=list(callbacks),
    )


def log(trainer: Any, *names: str) -> list[tuple[Any, ...]]:
    """The trainer's own log, the given columns of its lines about a step."""
    return [tuple(line.get(name) for name in names) for line in trainer.state.log_history if "loss" in line]

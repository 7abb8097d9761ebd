"""Where faults are injected: takes templates, rows and settings, gives small trainers of others and run files of ours.

Nothing is downloaded: the tokenizers are trained on the spot, the models have random weights.
"""

import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from datasets import Dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Trainer, TrainingArguments
from trl import SFTConfig, SFTTrainer

import twosignal
from twosignal.prove.receipt import Receipt

CONTROLS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<|pad|>",
]
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
HEAD = "{{ '<|im_start|>' + message['role'] + '\n' }}"
ANSWER = "{{ message['content'] + '<|im_end|>' }}"
PROMPT = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"


def chatml(
    answer: str = "{% generation %}" + ANSWER + "{% endgeneration %}{{ '\n' }}", *, head: str = HEAD
) -> str:
    """ChatML whose assistant turns are written by `answer`, behind `head`."""
    other = "{{ message['content'] + '<|im_end|>\n' }}"
    return (
        "{% for message in messages %}" + head + "{% if message['role'] == 'assistant' %}" + answer
        + "{% else %}" + other + "{% endif %}{% endfor %}" + PROMPT
    )  # fmt: skip


CHATML = chatml()
UNMARKED = chatml(ANSWER + "{{ '\n' }}")

Chat = list[dict[str, Any]]
Row = dict[str, Any]


@cache
def backend(kind: str = "bytes") -> str:
    """The definition of a tokenizer: byte-level pairs, or whole words that drop white space."""
    rng = random.Random(0)
    corpus = [" ".join(rng.choice(WORDS) for _ in range(12)) for _ in range(400)]
    corpus += ["user assistant system tool\n"] * 50
    if kind == "words":
        grown = Tokenizer(models.WordLevel(unk_token="<unk>"))
        grown.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer: Any = trainers.WordLevelTrainer(special_tokens=["<unk>", *CONTROLS], show_progress=False)
    else:
        grown = Tokenizer(models.BPE())
        grown.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        grown.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=480,
            special_tokens=CONTROLS,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
    grown.train_from_iterator(corpus, trainer)
    text: str = grown.to_str()
    return text


def tokenizer(
    template: str = CHATML, *, kind: str = "bytes", eos: str = "<|im_end|>", pad: str = "<|pad|>"
) -> PreTrainedTokenizerFast:
    """A tokenizer of transformers with this chat template."""
    grown = Tokenizer.from_str(backend(kind))
    made = PreTrainedTokenizerFast(tokenizer_object=grown, eos_token=eos, pad_token=pad)
    made.chat_template = template
    return made


def words(rng: random.Random, fewest: int, most: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(fewest, most)))


def chats(number: int = 24, *, turns: int = 0, longest: int = 12, seed: int = 1) -> list[Chat]:
    """Chats of one to three turns, or of `turns`, a third of them with a system prompt."""
    rng = random.Random(seed)
    made = []
    for _ in range(number):
        chat = [{"role": "system", "content": words(rng, 3, 6)}] if rng.random() < 0.3 else []
        for _ in range(turns or rng.randint(1, 3)):
            chat.append({"role": "user", "content": words(rng, 4, longest)})
            chat.append({"role": "assistant", "content": words(rng, 4, longest)})
        made.append(chat)
    return made


def rendered(theirs: PreTrainedTokenizerFast, chat: Chat) -> Row:
    """Ids and labels of a chat, by the template's own markers."""
    found = theirs.apply_chat_template(chat, return_dict=True, return_assistant_tokens_mask=True)
    ids, mask = list(found["input_ids"]), list(found["assistant_masks"])
    return {"input_ids": ids, "labels": labelled(ids, mask), "mask": mask}


def labelled(ids: Sequence[int], mask: Sequence[int]) -> list[int]:
    return [index if learned else -100 for index, learned in zip(ids, mask, strict=True)]


def rows(theirs: PreTrainedTokenizerFast, some: Iterable[Chat]) -> list[Row]:
    """Ids and labels of chats, as a careful user would store them."""
    made = [rendered(theirs, chat) for chat in some]
    return [{"input_ids": row["input_ids"], "labels": row["labels"]} for row in made]


def model(kind: str = "LlamaConfig", **settings: Any) -> Any:
    """A tiny causal model with random weights large enough that what it sees shows in its loss."""
    values = {
        "vocab_size": 480,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 1024,
        "bos_token_id": None,
        "eos_token_id": 2,
        "pad_token_id": 7,
        **settings,
    }
    config = getattr(transformers, kind)(**{k: v for k, v in values.items() if v is not ...})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for weight in made.parameters():
            if weight.ndim >= 2:
                weight.mul_(4.0)
    return made.float()


def sft(
    folder: Path,
    data: Iterable[Mapping[str, Any]] | Dataset,
    *,
    given: Any = None,
    theirs: Any = None,
    **settings: Any,
) -> SFTTrainer:
    """TRL's trainer, packing and learning answers only unless the settings say otherwise."""
    values: dict[str, Any] = {
        "output_dir": str(folder),
        "report_to": "none",
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "max_steps": 1,
        "save_strategy": "no",
        "disable_tqdm": True,
        "assistant_only_loss": True,
        "packing": True,
        "max_length": 256,
        "per_device_train_batch_size": 1,
        "seed": 0,
        "dataloader_pin_memory": False,
        **settings,
    }
    return SFTTrainer(
        model=model() if given is None else given,
        args=SFTConfig(**values),
        train_dataset=data if isinstance(data, Dataset) else Dataset.from_list(list(data)),
        processing_class=tokenizer() if theirs is None else theirs,
    )


def messages(some: Iterable[Chat]) -> list[Row]:
    return [{"messages": chat} for chat in some]


def plain(
    folder: Path,
    data: Iterable[Row],
    *,
    collator: Any = None,
    given: Any = None,
    theirs: Any = None,
    **settings: Any,
) -> Trainer:
    """Transformers' own trainer on ready rows."""
    owner = tokenizer() if theirs is None else theirs
    values: dict[str, Any] = {
        "output_dir": str(folder),
        "report_to": "none",
        "use_cpu": True,
        "max_steps": 1,
        "save_strategy": "no",
        "disable_tqdm": True,
        "per_device_train_batch_size": 2,
        "dataloader_pin_memory": False,
        **settings,
    }
    return Trainer(
        model=model() if given is None else given,
        args=TrainingArguments(**values),
        train_dataset=Dataset.from_list(list(data)),
        data_collator=collator or transformers.DataCollatorForSeq2Seq(owner, label_pad_token_id=-100),
        processing_class=owner,
    )


Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, int | None], torch.Tensor]
"""Takes logits, labels and ids, all unshifted, and the targets of the step where the trainer tells; gives the loss."""


class OwnLoss(Trainer):
    """A trainer with a loss of one's own."""

    own: Loss

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        labels = inputs.pop("labels")
        outputs = model(**inputs)
        loss = type(self).own(outputs.logits, labels, inputs["input_ids"], num_items_in_batch)
        return (loss, outputs) if return_outputs else loss


def with_loss(trainer: Trainer, own: Loss) -> Trainer:
    """The trainer with another loss."""
    trainer.__class__ = type("Own", (OwnLoss,), {"own": staticmethod(own)})
    return trainer


def packed(some: Sequence[Row], *, per_row: int = 3, positions: bool = True) -> list[Row]:
    """Rows of several conversations end to end; the first label of each is masked."""
    made = []
    for start in range(0, len(some), per_row):
        part = some[start : start + per_row]
        row: Row = {
            "input_ids": [index for one in part for index in one["input_ids"]],
            "labels": [label for one in part for label in [-100, *one["labels"][1:]]],
        }
        if positions:
            row["position_ids"] = [place for one in part for place in range(len(one["input_ids"]))]
        made.append(row)
    return made


class OneRow:
    """A collator of one packed row at a time, as tensors, with nothing added; `extra` makes further entries."""

    def __init__(self, extra: Any = None) -> None:
        self.extra = extra

    def __call__(self, features: Sequence[Row]) -> dict[str, torch.Tensor]:
        (row,) = features
        batch = {name: torch.tensor([values]) for name, values in row.items()}
        return batch if self.extra is None else {**batch, **self.extra(batch)}


def run_file(folder: Path, some: Iterable[Mapping[str, Any]], *, more: str = "", name: str = "chats") -> Path:
    """A run file of ours on records, growing the tiny preset; `more` is added at its end."""
    data = folder / "data.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in some), encoding="utf-8")
    file = folder / "run.toml"
    text = f'[run]\nname = "faulty"\nsteps = 4\n[model]\npreset = "tiny"\n[sources.{name}]\npath = "data.jsonl"\n{more}'
    file.write_text(text, encoding="utf-8")
    return file


def fine_tuning(
    folder: Path, theirs: PreTrainedTokenizerFast, some: Iterable[Mapping[str, Any]], *, more: str = ""
) -> Path:
    """A run file of ours on records, fine-tuning a saved tiny model with this tokenizer."""
    place = folder / "model"
    model().save_pretrained(place)
    theirs.save_pretrained(place)
    file = run_file(folder, some, more=more)
    file.write_text(
        file.read_text(encoding="utf-8").replace('preset = "tiny"', 'from = "model"'), encoding="utf-8"
    )
    return file


def proof(trainer: Trainer, *, dataset: Any = None) -> Receipt:
    """What the proof says of a trainer."""
    receipt: Receipt = twosignal.prove_trainer(trainer, dataset=dataset, quiet=True)
    return receipt


def own_proof(file: Path, *, runs_dir: Path) -> Receipt:
    """What the proof says of a run file of ours."""
    receipt: Receipt = twosignal.prove(file, runs_dir=runs_dir)
    return receipt

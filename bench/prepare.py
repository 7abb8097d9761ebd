"""Preparing conversations beside TRL: takes dialogues, gives conversations per CPU second and what share agrees.

    python bench/prepare.py --data dialogues.jsonl [--limit N] [--vocab 8192] [--pattern gpt2|llama3|qwen2] [--repeats 3]

Stages of both: render the chat template, mask, tokenize, pack into rows of 4,096 tokens, from the same message lists in
memory, in one process on one core, alternating. TRL's is `SFTTrainer._prepare_dataset` with assistant_only_loss and
best-fit-decreasing packing; ours ends with all rows of one epoch laid out. `templates` is transformers'
`apply_chat_template` on lists of 1,000, which neither checks nor packs. Tokenizer and template are the same for all.
"""

import argparse
import gc
import json
import logging
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import tokenizers
import transformers
import trl
from datasets import Dataset, disable_caching, disable_progress_bars
from tokenizers import Regex, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from trl.trainer.sft_trainer import SFTTrainer

from twosignal.config import SourceTable
from twosignal.packs.cut import cut
from twosignal.packs.pack import Pack
from twosignal.packs.store import CensusTaker, build_store
from twosignal.packs.stream import RowStream
from twosignal.text.conversation import Origin, Record
from twosignal.text.corpus import SourceReader
from twosignal.text.formats import parse
from twosignal.tokens.example import Example
from twosignal.tokens.pretrained import load_tokenizer
from twosignal.tokens.render import Renderer
from twosignal.tokens.tokenizer import Tokenizer

Chat = list[dict[str, str]]

ROW_TOKENS = 4096
TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['role'] == 'assistant' %}{% generation %}"
    "{{ m['content'] + '<|im_end|>' }}{% endgeneration %}{% else %}{{ m['content'] + '<|im_end|>' }}{% endif %}"
    "{{ '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
DIGITS = {"llama3": r"\p{N}{1,3}", "qwen2": r"\p{N}"}
WORDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def main() -> int:
    """Run all in turn; print one line each, then the ratios of the medians."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--data", type=Path, required=True, help='JSON lines with "messages"')
    options.add_argument("--limit", type=int, default=None)
    options.add_argument("--vocab", type=int, default=8192)
    options.add_argument("--pattern", choices=("gpt2", *DIGITS), default="gpt2")
    options.add_argument("--repeats", type=int, default=3)
    given = options.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    disable_caching()
    disable_progress_bars()
    logging.disable(logging.WARNING)
    with given.data.open(encoding="utf-8") as lines:
        chats: list[Chat] = [json.loads(line)["messages"] for line in lines][: given.limit]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        saved = save_tokenizer(chats, folder / "tokenizer", vocab=given.vocab, pattern=given.pattern)
        own = load_tokenizer(folder / "tokenizer")
        data = Dataset.from_dict({"messages": chats})
        runs: dict[str, Callable[[], Any]] = {
            "trl": lambda: prepare_by_trl(saved, data, packing=True),
            "templates": lambda: apply_templates(saved, chats),
            "twosignal": lambda: prepare_by_us(own, chats, folder),
            "twosignal from file": lambda: prepare_file(own, given.data, folder, limit=given.limit),
        }
        seconds, rows = time_all(runs, given.repeats)
        shares = share_of_equals(prepare_by_trl(saved, data, packing=False), render(own, chats))
    report(seconds, len(chats), rows=rows)
    versions = {module.__name__: module.__version__ for module in (trl, transformers, tokenizers, np)}
    machine = {"cpu": platform.processor() or platform.machine(), "python": platform.python_version()}
    print(
        json.dumps(
            {"conversations": len(chats), "pattern": given.pattern, "same": shares, **versions, **machine}
        )
    )
    return 0 if shares == {"ids": 1.0, "masks": 1.0} else 1


def save_tokenizer(
    chats: Sequence[Chat], place: Path, *, vocab: int, pattern: str
) -> PreTrainedTokenizerFast:
    """Train a byte-level tokenizer with a published split pattern on the dialogues; save it with the template."""
    backend = tokenizers.Tokenizer(models.BPE())
    steps: list[Any] = [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern == "gpt2")]
    if pattern != "gpt2":
        words = Regex(WORDS.replace("DIGITS", DIGITS[pattern]))
        steps.insert(0, pre_tokenizers.Split(words, behavior="isolated"))
    backend.pre_tokenizer = pre_tokenizers.Sequence(steps)
    backend.decoder = decoders.ByteLevel()
    controls = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        special_tokens=controls,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    backend.train_from_iterator((turn["content"] for chat in chats for turn in chat), trainer)
    saved = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=controls[2], pad_token=controls[0])
    saved.chat_template = TEMPLATE
    saved.save_pretrained(place)
    return saved


def prepare_by_trl(tokenizer: PreTrainedTokenizerFast, data: Dataset, *, packing: bool) -> Dataset:
    """Run TRL's own preparation as its trainer does."""
    trainer: Any = SimpleNamespace(
        _tokenizer=tokenizer, chat_template=TEMPLATE, completion_only_loss=False, _is_vlm=False
    )
    settings: Any = SimpleNamespace(
        dataset_num_proc=None,
        dataset_text_field="text",
        assistant_only_loss=True,
        max_length=ROW_TOKENS if packing else None,
        truncation_mode="keep_start",
        packing_strategy="bfd",
        use_liger_kernel=False,
        eos_token=None,
        completion_only_loss=None,
        shuffle_dataset=False,
    )
    return SFTTrainer._prepare_dataset(trainer, data, tokenizer, settings, packing, None, "train")


def apply_templates(tokenizer: PreTrainedTokenizerFast, chats: Sequence[Chat]) -> list[Any]:
    """Render, tokenize and mask with transformers, a thousand at a time."""
    return [
        tokenizer.apply_chat_template(
            list(chats[start : start + 1000]), return_dict=True, return_assistant_tokens_mask=True
        )
        for start in range(0, len(chats), 1000)
    ]


def records(chats: Sequence[Chat]) -> Iterator[Record]:
    """Read message lists as a source's records are read."""
    for line, chat in enumerate(chats, 1):
        yield parse({"messages": chat}, "auto", origin=Origin(source="chats", file="memory", line=line))


def render(tokenizer: Tokenizer, chats: Sequence[Chat]) -> list[Example]:
    """Render, mask and tokenize."""
    return list(Renderer(tokenizer).render_many(records(chats)))


def prepare_by_us(tokenizer: Tokenizer, chats: Sequence[Chat], folder: Path) -> list[Pack]:
    """Render, mask, tokenize, store, pack and lay out every row of the first epoch."""
    return lay_out(Renderer(tokenizer).render_many(records(chats)), folder)


def prepare_file(tokenizer: Tokenizer, data: Path, folder: Path, *, limit: int | None) -> list[Pack]:
    """Do the same from the file."""
    reader = SourceReader("chats", SourceTable(path=[str(data)], limit=limit), folder=data.parent)
    return lay_out(Renderer(tokenizer).render_many(reading.record for reading in reader), folder)


def lay_out(examples: Iterator[Example], folder: Path) -> list[Pack]:
    """Store examples, plan the rows of one epoch and lay them out."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        pairs = ((example, False) for example in examples)
        store = build_store(Path(place) / "store", "chats", pairs, census=CensusTaker(), needs_probe=False)
        cutting = cut(store, store.numbers(held_out=False), ROW_TOKENS, too_long="split")
        stream = RowStream(store, cutting, row_tokens=ROW_TOKENS, seed=0)
        return [stream.row(stream.plan, number) for number in range(len(stream.plan))]


def time_all(
    runs: dict[str, Callable[[], Any]], repeats: int
) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Run all in turn, repeatedly; return the CPU seconds of each run and the length of what each gives."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    lengths: dict[str, int] = {}
    for name, run in chain.from_iterable([list(runs.items())] * repeats):
        gc.collect()
        # No run is to pay for looking through the dialogues, and what other runs left, again and again.
        gc.freeze()
        began = time.process_time()
        result = run()
        seconds[name].append(time.process_time() - began)
        lengths[name] = len(result)
        del result
    return seconds, lengths


def share_of_equals(theirs: Dataset, ours: Sequence[Example]) -> dict[str, float]:
    """Return the share of conversations of which ids, and masks, are the same to the last token."""
    same = {"ids": 0, "masks": 0}
    for ids, labels, example in zip(theirs["input_ids"], theirs["labels"], ours, strict=True):
        same["ids"] += ids == example.ids.tolist()
        same["masks"] += [label != -100 for label in labels] == example.supervised.tolist()
    return {name: count / len(ours) for name, count in same.items()}


def report(seconds: dict[str, list[float]], conversations: int, *, rows: dict[str, int]) -> None:
    """Print one line for each, with its ratio to TRL."""
    medians = {name: statistics.median(runs) for name, runs in seconds.items()}
    for name, runs in seconds.items():
        line = {
            "name": name,
            "cpu_seconds": [round(run, 2) for run in runs],
            "conversations_per_cpu_second": round(conversations / medians[name]),
            "times_trl": round(medians["trl"] / medians[name], 2),
            "times_templates": round(medians["templates"] / medians[name], 2),
        }
        print(json.dumps(line | ({} if name == "templates" else {"rows": rows[name]})))


if __name__ == "__main__":
    sys.exit(main())

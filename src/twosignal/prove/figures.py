"""What a run is made of, in numbers: takes a set-up run, gives the facts of its receipt, stage by stage from record to step."""

import json
import math
import platform
from hashlib import blake2b
from typing import Any

import numpy as np
import tokenizers
import torch
import transformers

from twosignal.model.way import attention_of, way_of
from twosignal.packs.prepare import PreparedSource, label_code
from twosignal.prove.drawing import Made, draw
from twosignal.tokens.tokenizer import Tokenizer
from twosignal.train.setup import Setup

SHOWN = 2
"""Examples of each source that are drawn."""
MOST_FINGERPRINTED = 200_000
"""Examples of a source that are compared with each other."""


def facts_of(setup: Setup) -> dict[str, Any]:
    """Return what the run will train on and with; the same inputs give the same facts."""
    learner, sources = setup.learner, setup.sources
    return {
        "config": settled_hash(setup),
        "inputs": {name: source.fingerprint for name, source in sources.items()},
        "tokenizer": setup.tokenizer.fingerprint(),
        "template": blake2b(setup.tokenizer.chat_template.encode(), digest_size=8).hexdigest(),
        "label_code": label_code(),
        "parameters": setup.num_parameters,
        "attention": {
            "way": way_of(learner.model).name,
            "implementation": attention_of(learner.model),
            "sentence": way_of(learner.model).sentence(),
        },
        "weights_dtype": str(learner.model.dtype).removeprefix("torch."),
        "precision": str(learner.autocast or "float32").removeprefix("torch."),
        "device": str(learner.device),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "tokenizers": tokenizers.__version__,
        },
        "per_step": per_step(setup),
        "flow": {name: flow(source, setup.row_tokens) for name, source in sources.items()},
        "answers": {name: answer_weights(source) for name, source in sources.items()},
        "examples": [one for source in sources.values() for one in drawn_examples(source, setup.tokenizer)],
    }


def settled_hash(setup: Setup) -> str:
    """Return a hash of the configuration with length of run and rows settled: that of a run and of its run file are equal."""
    values = setup.config.model_dump(mode="json", by_alias=True)
    for length in ("epochs", "tokens", "hours"):
        values["run"].pop(length, None)
    values["run"]["steps"] = setup.steps
    values["rows"]["tokens"] = setup.row_tokens
    return blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=8).hexdigest()


def per_step(setup: Setup) -> dict[str, float]:
    """Return means of one step, and the steps of an epoch packed and with one example per row."""
    rows = setup.config.rows.per_step
    shares = setup.curriculum.shares
    mean = {name: _per_row(source) for name, source in setup.sources.items()}
    total_rows = sum(len(source.stream.plan) for source in setup.sources.values())
    total_pieces = sum(len(source.stream.pieces) for source in setup.sources.values())
    return {
        "rows": rows,
        "examples": round(rows * sum(shares[name] * mean[name][0] for name in mean), 1),
        "tokens": round(rows * sum(shares[name] * mean[name][1] for name in mean), 1),
        "targets": round(rows * sum(shares[name] * mean[name][2] for name in mean), 1),
        "steps_of_an_epoch_packed": math.ceil(total_rows / rows),
        "steps_of_an_epoch_unpacked": math.ceil(total_pieces / rows),
    }


def _per_row(source: PreparedSource) -> tuple[float, float, float]:
    """Return mean pieces, tokens and targets of a row."""
    rows = max(1, len(source.stream.plan))
    tokens = int(source.stream.pieces["length"].sum())
    return len(source.stream.pieces) / rows, tokens / rows, source.ledger.targets_kept / rows


def flow(source: PreparedSource, row_tokens: int) -> list[dict[str, Any]]:
    """Return what goes into and comes out of every stage, with what is left out by cause."""
    ledger, cutting, census = source.ledger, source.cutting, source.store.census
    return [
        {"stage": "records", "out": ledger.records, "left_out": {"malformed": ledger.bad}},
        {
            "stage": "examples",
            "out": ledger.conversations + ledger.documents,
            "tokens": ledger.tokens,
            "targets": ledger.targets,
            "left_out": {"held out": ledger.held_out, "nothing to learn": ledger.without_targets},
            "written_several_ways": census.rewritten,
            "straddling_tokens": census.straddling,
            "unknown_tokens": census.unknown,
            "encoded_anew": census.differing,
        },
        {
            "stage": "pieces",
            "out": len(cutting.pieces),
            "tokens": ledger.tokens - ledger.tokens_lost,
            "targets": ledger.targets_kept,
            "left_out": dict(ledger.targets_lost),
            "split": cutting.num_split,
            "cut": cutting.num_cut,
            "dropped": cutting.num_dropped,
        },
        {
            "stage": "rows",
            "out": ledger.rows,
            "fill": round(ledger.fill, 4),
            "fewest_possible": fewest_rows(source, row_tokens),
        },
    ]


def fewest_rows(source: PreparedSource, row_tokens: int) -> int:
    """Return a number of rows below which no packing of these pieces can come."""
    lengths = source.stream.pieces["length"].astype(np.int64)
    return max(math.ceil(int(lengths.sum()) / row_tokens), int((lengths > row_tokens / 2).sum()))


def answer_weights(source: PreparedSource) -> dict[str, float]:
    """Return how the targets are spread over the examples: a loss over tokens weighs an answer by its length."""
    index = source.store.index
    targets = np.sort(index["targets"][~index["held_out"]].astype(np.int64))
    if not len(targets):
        return {}
    longest = targets[-max(1, len(targets) // 10) :]
    return {
        "median_targets": float(np.median(targets)),
        "most_targets": int(targets[-1]),
        "share_of_the_longest_tenth": round(float(longest.sum() / max(1, targets.sum())), 4),
        "exact_copies": exact_copies(source),
    }


def exact_copies(source: PreparedSource) -> int:
    """Return how many training examples are the same tokens as an earlier one."""
    numbers = source.store.numbers(held_out=False)[:MOST_FINGERPRINTED]
    prints = {blake2b(source.store[int(n)].ids.tobytes(), digest_size=12).digest() for n in numbers}
    return len(numbers) - len(prints)


def drawn_examples(source: PreparedSource, tokenizer: Tokenizer) -> list[dict[str, Any]]:
    """Return the first and the last training example, with the learned part between [[ and ]]."""
    numbers = source.store.numbers(held_out=False)
    places = np.linspace(0, len(numbers) - 1, min(SHOWN, len(numbers))).astype(int)
    chosen = numbers[np.unique(places)].tolist() if len(numbers) else []
    found = []
    for number in chosen:
        example = source.store[number]
        drawn = draw(tokenizer, Made(example.ids, example.supervised))
        found.append(
            {
                "source": source.name,
                "file": example.origin.file,
                "line": example.origin.line,
                "tokens": len(example.ids),
                "targets": example.num_targets,
                "text": drawn.marked(),
            }
        )
    return found

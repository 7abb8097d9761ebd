"""Which architectures keep packed documents apart: takes transformers' registry, gives docs/isolation.md.

    python bench/isolation.py [--only llama,mamba] [--page docs/isolation.md]

Every architecture that transformers can load for causal language modelling is built with tiny random weights: its own
default configuration, with sizes made small by the names of the fields (SIZES). `isolate` gives its verdict; a second
implementation here, which shares no code with it, compares logits packed with logits of each document alone under
transformers' own eager attention, exchanges every document in turn, and cuts documents short. Where the two disagree the
command fails. Beside it stands how far a plain packed row with position ids leaks, which is what other trainers run.
"""

import argparse
import copy
import json
import logging
import platform
import re
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import (
    CONFIG_MAPPING,
    MODEL_FOR_CAUSAL_LM_MAPPING,
    AutoModelForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
)

from twosignal.errors import RefusedError
from twosignal.model.attention import hidden_states
from twosignal.model.head import Head, measured_head
from twosignal.model.isolation import isolate
from twosignal.model.way import way_of

PAGE = Path(__file__).resolve().parent.parent / "docs" / "isolation.md"
VOCABULARY = 128
LENGTHS = (9, 1, 33, 38, 17, 17, 2)
"""Documents of the second implementation's row; windows and chunks of the tiny models are 12 or 8."""
SECONDS = 60
"""An architecture that takes longer is given up."""
MOST_WEIGHTS = 10_000_000
LEAK_ROUNDING = 1e-5
"""Change in logits that expert layers may show by rounding; a share of the largest logit."""
DRIFT_ROUNDING = 1e-3
"""Difference of logits packed and alone that is rounding; a share of the largest logit of the document."""

SIZES: tuple[tuple[str, int | None], ...] = (
    (r"^(type|task_type|prompt|segment)|_token_(id|index)$|^interleave|_period$|_offset$", None),
    (r"vocab", VOCABULARY),
    (
        r"max_position|^n_positions|^n_ctx|max_seq_len|max_(target|source)_positions|context_length|max_length",
        256,
    ),
    (r"sliding_window(_size)?$|attention_window_size|attention_chunk_size|^local_attention$|window", 12),
    (r"^(mamba_)?chunk_size$|^block_size$|index_block_size|chunk_length$", 8),
    (r"index_topk$", 12),
    (r"_per_tok(en)?$|^moe_topk$|^moe_k$|top_k$|topk_blocks$", 2),
    (r"^(n_group|topk_group|num_expert_group|n_groups|mamba_n_?groups|o_groups)$", 1),
    (r"shared_expert.*intermediate|moe_intermediate_size|expert_ffn_hidden_size|router_hidden_size", 16),
    (r"shared_experts$", 1),
    (r"experts$|expert_num$", 4),
    (r"num_key_value_heads|num_kv_heads|num_query_groups", 2),
    (r"(mamba_n_heads|mamba_num_heads)$", 8),
    (r"linear_num_(key|value)_heads|linear_num_heads|index_n_heads", 4),
    (r"(attention_heads|^n_heads?|^num_heads)$", 4),
    (r"(hidden_layers|^n_layers?|^num_layers|(de|en)coder_layers|num_blocks|depth)$", 2),
    (r"intermediate_size|ffn_dim|^dff$|dim_ff|ffn_hidden_size|d_inner|feed_forward_size", 48),
    (r"lora_rank$|lowrank$|laurel_rank|_embed_dim$|mid_dim|^num_centroids", 16),
    (r"rotary_dim", 4),
    (r"qk_head_dim", 16),
    (r"head_dim$|headdim$|d_head$|dim_head$|head_size$|kv_channels", 8),
    (r"mamba_d_ssm", 64),
    (r"state_size|d_state", 8),
    (r"time_step_rank|dt_rank", 4),
    (r"hidden_size|d_model|n_embd|emb(edding)?_dim|embedding_size|_proj_dim|lru_width|dim_model", 32),
    (r"image_size", 32),
    (r"patch_size", 16),
)
"""Fields of a configuration and the size they get, the first that fits; None leaves them as they are."""

KINDS = ("layer_types", "layers_block_type", "block_types", "mlp_layer_types")
"""Fields that say of what kind each layer is: as many layers are kept as show every kind."""

BY_HAND: dict[str, dict[str, Any]] = {
    "bamba": {"attn_layer_indices": [1]},
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "lfm2_moe": {"layer_types": ["conv", "full_attention"]},
    "mamba2": {"num_heads": 8},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "gemma3n_text": {"num_kv_shared_layers": 0},
    "gemma4_assistant": {"hidden_size_per_layer_input": 0},
    "granitemoehybrid": {"layer_types": ["mamba", "attention"]},
    "reformer": {"axial_pos_embds_dim": [16, 16], "axial_pos_shape": [16, 16]},
    "xmod": {"default_language": "en_XX"},
    "cohere_compass_text": {
        "layer_types": ["sliding_attention", "full_attention"],
        "rope_parameters": {
            kind: {"rope_type": "default", "rope_theta": 1e4}
            for kind in ("sliding_attention", "full_attention")
        },
    },
    "qwen4_exp_text": {
        "indexer_budget": 16,
        "indexer_compress_ratio": 4,
        "indexer_n_heads": 4,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 8,
        "ngram_vocab_size_base": 128,
        "split_ngram_parts": 2,
    },
    "dbrx": {"attn_config": {"rope_theta": 1e4, "clip_qkv": 8, "kv_n_heads": 2}},
    "zamba": {
        "attention_hidden_size": 64,
        "attention_head_dim": 16,
        "num_hidden_layers": 3,
        "layers_block_type": ["linear_attention", "hybrid", "hybrid"],
    },
    "zamba2": {
        "attention_hidden_size": 64,
        "attention_head_dim": 16,
        "num_hidden_layers": 2,
        "layers_block_type": ["linear_attention", "hybrid"],
    },
    "xlstm": {"chunk_size": 16},
}
"""What cannot be had from the names of the fields."""


VARIANTS: tuple[dict[str, Any], ...] = ({}, {"num_key_value_heads": 4})
"""Tried in turn until the model runs: some need a key head for every query head."""
MAYBE_NONE = (
    "head_dim",
    "num_key_value_heads",
    "num_experts_per_tok",
    "n_routed_experts",
    "n_shared_experts",
)
"""Fields that some default configurations leave open though their model needs them."""


VERDICTS = {
    "isolated": "packed rows run as one sequence under our attention",
    "one per row": "every document runs in a row of its own, padded at the end among others of like length",
    "refused": "no way keeps its documents apart, or it sees the future",
    "not built": "no tiny model could be made from its configuration here; nothing is claimed",
}
EXPLANATION = """\
Every architecture of transformers' registry for causal language modelling, built with tiny random weights. `isolate`
gives the verdict: on the model itself, in evaluation and in training mode, documents are exchanged in turn, gradients
are followed to other documents' embeddings, and states are compared with those of each document alone. A second
implementation in the script then checks the verdict by logits; where it does not agree, the command fails.

- *plain row leaks*: change in the later documents' logits when the first is exchanged, as a share of the largest
  logit, when a packed row with position ids that start anew is given to the model as transformers makes it (eager
  attention, no mask, no cache).
- *leak*: the same in our way, the largest over all documents exchanged; expert layers round in the last bit.
- *apart*: largest difference between a document's logits in the row and alone, as a share of its largest logit.
- *layers*: kinds of layers by the configuration, where it names them; only as many layers are built as show every kind.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One architecture in the table."""

    kind: str
    verdict: str
    """isolated, one per row, refused, or not built."""
    layers: str = ""
    """Kinds of its layers, by its configuration."""
    leak_plain: str = ""
    """How far a plain packed row leaks, as a share of the largest logit."""
    leak: str = ""
    """The same in the way that was chosen."""
    drift: str = ""
    """Largest difference of a document's logits packed and alone."""
    remark: str = ""


def main() -> int:
    """Measure all architectures, write the page; return 1 if any verdict is contradicted."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--only", default="", help="model types, with commas; the page is then printed")
    options.add_argument("--page", type=Path, default=PAGE)
    given = options.parse_args()
    quiet()
    began = time.perf_counter()
    wanted = [kind for kind in given.only.split(",") if kind]
    rows = []
    for kind in wanted or kinds():
        rows.append(measured(kind))
        print(json.dumps(asdict(rows[-1])), file=sys.stderr, flush=True)
    text = page(rows, seconds=time.perf_counter() - began)
    if wanted:
        print(text)
    else:
        given.page.write_text(text, encoding="utf-8")
    return 1 if any("CONTRADICTED" in row.remark for row in rows) else 0


def kinds() -> list[str]:
    """Return the model types that transformers loads for causal language modelling."""
    return sorted({config.model_type for config in MODEL_FOR_CAUSAL_LM_MAPPING})


def measured(kind: str) -> Row:
    """Build one architecture, ask for the verdict, and check it."""
    try:
        with time_limit(SECONDS):
            model = tiny(kind)
    except Exception as error:  # noqa: BLE001 (other people's code, whatever it raises goes into the table)
        return Row(kind=kind, verdict="not built", remark=first_line(error))
    layers = ", ".join(dict.fromkeys(layer_kinds(model.config.get_text_config())))
    try:
        with time_limit(SECONDS):
            return judged(kind, model, layers)
    except Exception as error:  # noqa: BLE001 (the same)
        return Row(kind=kind, verdict="not built", layers=layers, remark=f"FAILED: {first_line(error)}")


def judged(kind: str, model: PreTrainedModel, layers: str) -> Row:
    """Return the verdict with what the second implementation finds."""
    stock = copy.deepcopy(model)
    plain = plain_leak(stock)
    try:
        head = measured_head(isolate(model))
    except RefusedError as error:
        return Row(
            kind=kind,
            verdict="refused",
            layers=layers,
            leak_plain=plain,
            remark=error.message.split(": ", 1)[-1],
        )
    way = way_of(model)
    leak, drift, is_causal = second_opinion(model, head, stock)
    has_experts = any("expert" in name for name, _ in model.named_modules())
    right = is_causal and drift <= DRIFT_ROUNDING and leak <= (LEAK_ROUNDING if has_experts else 0)
    return Row(
        kind=kind,
        verdict=way.name,
        layers=layers,
        leak_plain=plain,
        leak=f"{leak:.2g}",
        drift=f"{drift:.1g}",
        remark=way.reason + ("" if way.is_padded else "; each document has a call of its own")
        if right
        else f"CONTRADICTED: leak {leak:.2g}, drift {drift:.2g}, causal {is_causal}",
    )


def second_opinion(model: PreTrainedModel, head: Head, stock: PreTrainedModel) -> tuple[float, float, bool]:
    """Return (leak, drift, whether causal) by logits of our way against each document alone, eager."""
    documents = some_documents(stock)
    others = some_documents(stock, seed=1)

    @torch.no_grad()
    def together(row: Sequence[Tensor]) -> list[Tensor]:
        positions = torch.cat([torch.arange(len(ids)) for ids in row])
        states = hidden_states(model, torch.cat(list(row)), positions, list(LENGTHS))
        return list(head.logits(states).split(list(LENGTHS)))

    packed = together(documents)
    alone = [logits_alone(stock, ids) for ids in documents]
    largest = max(float(logits.abs().max()) for logits in packed)
    drift = max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(packed, alone, strict=True))
    leak = 0.0
    for place in range(len(documents)):
        changed = together([others[n] if n == place else ids for n, ids in enumerate(documents)])
        moved = [float((a - b).abs().max()) for a, b in zip(packed, changed, strict=True)]
        leak = max([leak, *(moved[:place] + moved[place + 1 :])])
    changed_end = logits_alone(stock, torch.cat([documents[2][:20], others[2][20:]]))
    is_causal = float((changed_end - alone[2])[:20].abs().max()) <= LEAK_ROUNDING * largest
    return leak / largest, drift, is_causal


def plain_leak(stock: PreTrainedModel) -> str:
    """Return how far later documents move when the first is exchanged, in one sequence with positions that start anew."""
    documents, others = some_documents(stock), some_documents(stock, seed=1)
    positions = torch.cat([torch.arange(length) for length in LENGTHS])[None]
    found = []
    try:
        for first in (documents[0], others[0]):
            ids = torch.cat([first, *documents[1:]])[None]
            found.append(plain_logits(stock, ids, positions))
    except Exception as error:  # noqa: BLE001 (some models refuse such rows, each in its own way)
        return f"raises {type(error).__name__}"
    moved = (found[0] - found[1])[LENGTHS[0] :].abs().max() / found[0].abs().max()
    return f"{float(moved):.2g}"


@torch.no_grad()
def plain_logits(stock: PreTrainedModel, ids: Tensor, positions: Tensor) -> Tensor:
    """Return the logits of one row, with position ids where the model knows them."""
    try:
        logits: Tensor = stock(input_ids=ids, position_ids=positions, use_cache=False).logits[0]
    except TypeError:
        logits = stock(input_ids=ids).logits[0]
    return logits.float()


@torch.no_grad()
def logits_alone(stock: PreTrainedModel, ids: Tensor) -> Tensor:
    """Return the logits [tokens, vocabulary] of one document by the model's own code."""
    try:
        logits: Tensor = stock(input_ids=ids[None], use_cache=False).logits[0]
    except TypeError:
        logits = stock(input_ids=ids[None]).logits[0]
    return logits.float()


def some_documents(model: PreTrainedModel, seed: int = 0) -> list[Tensor]:
    """Return documents of ids without special ones."""
    generator = torch.Generator().manual_seed(seed)
    rows = model.get_input_embeddings().weight.shape[0]
    return [torch.randint(8, min(rows, VOCABULARY), (length,), generator=generator) for length in LENGTHS]


def tiny(kind: str) -> PreTrainedModel:
    """Return a random model in evaluation mode with eager attention, whose every layer matters."""
    faults = []
    for changes in VARIANTS:
        try:
            model = random_model(tiny_config(CONFIG_MAPPING[kind], **changes))
            logits_alone(model, some_documents(model)[0])
        except Exception as error:  # noqa: BLE001 (the next variant may fit)
            faults.append(error)
        else:
            return model
    raise faults[0]


def random_model(config: PreTrainedConfig) -> PreTrainedModel:
    """Return a model of the configuration with weights that are not small."""
    with torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(copy.deepcopy(config))
    weights = sum(p.numel() for p in empty.parameters())
    if weights > MOST_WEIGHTS:
        message = f"{weights:,} weights, after its sizes were made small by name"
        raise ValueError(message)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.float().eval()


def tiny_config(made: type[PreTrainedConfig], **given: Any) -> PreTrainedConfig:
    """Return a configuration of few layers and small sizes, and of its parts likewise."""
    default = made()
    changes: dict[str, Any] = {
        name: size
        for name, value in default.to_dict().items()
        if isinstance(value, int)
        and not isinstance(value, bool)
        and (size := size_of(name, value)) is not None
    }
    layers = layers_kept(default)
    changes |= {
        name: layers for name, size in changes.items() if size == 2 and re.search("layers?$|blocks$", name)
    }
    changes |= {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    if hasattr(default, "is_decoder"):
        changes["is_decoder"] = True
    for part in default.sub_configs:
        if isinstance(getattr(default, part, None), PreTrainedConfig):
            changes[part] = tiny_config(type(getattr(default, part)))
    changes |= {name: size_of(name, 10**9) for name in MAYBE_NONE if default.to_dict().get(name, 0) is None}
    return made(**{**changes, **given, **BY_HAND.get(made.model_type, {})})


def size_of(name: str, value: int) -> int | None:
    """Return the small size of a field, or None where it stays."""
    for pattern, size in SIZES:
        if re.search(pattern, name):
            return size if size is not None and value > size else None
    return None


def layers_kept(config: PreTrainedConfig) -> int:
    """Return how many layers show every kind the architecture has; 2 at least."""
    kinds_of = [getattr(config, field, None) or [] for field in KINDS]
    return max([2, *(1 + list(found).index(kind) for found in kinds_of for kind in set(found))])


def layer_kinds(config: PreTrainedConfig) -> list[str]:
    """Return the kind of each layer by the configuration, without those of the MLP."""
    return next((list(found) for field in KINDS[:3] if (found := getattr(config, field, None))), [])


def first_line(error: Exception) -> str:
    """Return what was raised, on one short line."""
    lines = " ".join(str(error).split()) or type(error).__name__
    return lines[:160]


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in a block that takes longer."""

    def stop(*_: object) -> None:
        message = f"took longer than {seconds} s"
        raise TimeoutError(message)

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def quiet() -> None:
    """Leave out the warnings of models that are built for a moment."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)


def page(rows: Sequence[Row], *, seconds: float) -> str:
    """Return the table as a page."""
    counts = Counter(row.verdict for row in rows)
    lines = [f"| {name} | {counts[name]} | {meaning} |" for name, meaning in VERDICTS.items()]
    return "\n".join(
        [
            "# Which architectures keep packed documents apart\n",
            f"Made by `twosignal bench isolation` in {seconds:.0f} s on one core: transformers "
            f"{transformers.__version__}, torch {torch.__version__.split('+')[0]}, Python {platform.python_version()}, "
            "float32.\n",
            EXPLANATION,
            "| verdict | architectures | meaning |",
            "|---|---:|---|",
            *lines,
            "",
            "| model type | verdict | layers | plain row leaks | leak | apart | remark |",
            "|---|---|---|---|---|---|---|",
            *(_line(row) for row in rows),
            "",
        ]
    )


def _line(row: Row) -> str:
    cells = [f"`{row.kind}`", row.verdict, row.layers, row.leak_plain, row.leak, row.drift, row.remark]
    return "| " + " | ".join(cell.replace("|", "/").replace("<", "(") for cell in cells) + " |"


if __name__ == "__main__":
    sys.exit(main())

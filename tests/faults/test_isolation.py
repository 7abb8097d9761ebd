"""D: faults of isolation between packed conversations, each injected, each named by the proof."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PrefixTuningConfig, PromptTuningConfig, get_peft_model

from tests.faults import sites
from tests.faults.catalogue import fault
from twosignal.prove.receipt import Receipt

pytestmark = pytest.mark.filterwarnings("ignore")

OLDER: dict[str, dict[str, Any]] = {
    "OPTConfig": {
        "ffn_dim": 128,
        "word_embed_proj_dim": 64,
        "dropout": 0.0,
        "intermediate_size": ...,
        "num_key_value_heads": ...,
    },
    "BloomConfig": {"n_layer": 2, "n_head": 4, "num_attention_heads": ..., "num_hidden_layers": ...},
    "FalconConfig": {"num_key_value_heads": ..., "intermediate_size": ...},
    "GptOssConfig": {"head_dim": 16, "num_local_experts": 4, "sliding_window": 32},
}
RECURRENT: dict[str, dict[str, Any]] = {
    "MambaConfig": {"state_size": 8},
    "RecurrentGemmaConfig": {
        "attention_window_size": 32,
        "lru_width": 64,
        "block_types": ["recurrent", "attention"],
        "head_dim": 16,
    },
}


def proof_of(folder: Path, given: Any, **settings: Any) -> Receipt:
    """The proof of a TRL run that packs, on this model."""
    return sites.proof(sites.sft(folder, sites.messages(sites.chats()), given=given, **settings))


def proof_of_rows(folder: Path, *, extra: Any = None, given: Any = None, positions: bool = True) -> Receipt:
    """The proof of transformers' trainer on packed rows, with a collator of one's own."""
    rows = sites.packed(sites.rows(sites.tokenizer(), sites.chats()), positions=positions)
    trainer = sites.plain(
        folder, rows, collator=sites.OneRow(extra), given=given, per_device_train_batch_size=1
    )
    return sites.proof(trainer)


@fault("D1", "leak", "P1", "P2", "P3", "S5")
def test_wrapped_rows(tmp_path: Path) -> Receipt:
    return proof_of(tmp_path, None, packing_strategy="wrapped", max_length=64)


@pytest.mark.parametrize("kind", OLDER)
@fault("D2", "leak", "P1")
def test_models_that_keep_positions_from_their_mask(kind: str, tmp_path: Path) -> Receipt:
    return proof_of(tmp_path, sites.model(kind, **OLDER[kind]))


@fault("D3", "leak", "P1")
def test_an_all_ones_mask(tmp_path: Path) -> Receipt:
    return proof_of_rows(
        tmp_path, extra=lambda batch: {"attention_mask": torch.ones_like(batch["input_ids"])}
    )


@fault("D4", "leak", "P1")
def test_a_cache(tmp_path: Path) -> Receipt:
    given = sites.model()
    given.register_forward_pre_hook(lambda _, a, k: (a, {**k, "use_cache": True}), with_kwargs=True)
    return proof_of_rows(tmp_path, given=given)


@fault("D5", "leak", "P1")
def test_a_numbered_mask(tmp_path: Path) -> Receipt:
    def numbered(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"attention_mask": (batch["position_ids"] == 0).cumsum(-1)}

    return proof_of_rows(tmp_path, extra=numbered)


@fault("D6", "leak", "P1", "P2", "P3", "S5")
def test_boundaries_that_only_a_kernel_reads(tmp_path: Path) -> Receipt:
    def boundaries(batch: dict[str, torch.Tensor]) -> dict[str, Any]:
        ids, length = batch["input_ids"], batch["input_ids"].shape[1]
        starts = (ids[0] == sites.tokenizer().convert_tokens_to_ids("<|im_start|>")).nonzero().flatten()
        ends = torch.tensor([0, int(starts[len(starts) // 2]), length], dtype=torch.int32)
        return {"cu_seq_lens_q": ends, "cu_seq_lens_k": ends, "max_length_q": length, "max_length_k": length}

    return proof_of_rows(tmp_path, extra=boundaries, positions=False)


@pytest.mark.parametrize("kind", RECURRENT)
@fault("D7", "leak", "P1")
def test_layers_that_carry_a_state(kind: str, tmp_path: Path) -> Receipt:
    return proof_of(tmp_path, sites.model(kind, **RECURRENT[kind]))


def triangle(_module: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Replace whatever mask there is by the plain lower triangle."""
    length = kwargs["input_ids"].shape[1]
    return args, {**kwargs, "attention_mask": torch.ones(length, length).tril().bool()[None, None]}


@fault("D8", "leak", "P1")
def test_ring_attention_that_knows_no_blocks(tmp_path: Path) -> Receipt:
    given = sites.model()
    given.register_forward_pre_hook(triangle, with_kwargs=True)
    return proof_of(tmp_path, given)


@fault("D15", "leak", "P1")
def test_the_packer_s_mask_is_replaced(tmp_path: Path) -> Receipt:
    def blocks(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        number = (batch["position_ids"][0] == 0).cumsum(0)
        return {"attention_mask": (number[:, None] == number[None]).tril()[None, None]}

    given = sites.model()
    given.register_forward_pre_hook(triangle, with_kwargs=True)
    return proof_of_rows(tmp_path, extra=blocks, given=given)


@pytest.mark.parametrize("kind", [PromptTuningConfig, PrefixTuningConfig])
@fault("D9", "leak", "P1", "P2", "P3")
def test_virtual_tokens(kind: Any, tmp_path: Path) -> Receipt:
    adapted = get_peft_model(sites.model(), kind(task_type="CAUSAL_LM", num_virtual_tokens=4))
    return proof_of(tmp_path, adapted)


def test_lora_is_no_fault(tmp_path: Path) -> None:
    adapted = get_peft_model(sites.model(), LoraConfig(task_type="CAUSAL_LM", r=4))
    assert proof_of(tmp_path, adapted).passed


@fault("D10", "leak", "P2", "P3", "S5")
def test_isolated_but_positions_run_on(tmp_path: Path) -> Receipt:
    given = sites.model(
        "GPT2Config",
        n_positions=1024,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        num_key_value_heads=...,
        intermediate_size=...,
    )

    def blocks(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        number = (batch["position_ids"][0] == 0).cumsum(0)
        mask = (number[:, None] == number[None]) & torch.ones(len(number), len(number)).tril().bool()
        return {"attention_mask": mask[None, None], "position_ids": torch.arange(len(number))[None]}

    return proof_of_rows(tmp_path, extra=blocks, given=given)


@fault("D11", "leak", "P1", "P2", "P3", "S5")
def test_packing_is_inactive(tmp_path: Path) -> Receipt:
    # A backend that the trainer's list of kernels does not know: rows are packed, nothing isolates them.
    trainer = sites.sft(tmp_path, sites.messages(sites.chats()))
    collate = trainer.data_collator

    def collator(features: Any) -> dict[str, Any]:
        batch = collate(features)
        kept = {name: batch[name] for name in ("input_ids", "labels")}
        return {**kept, "attention_mask": torch.ones_like(batch["input_ids"])}

    trainer.data_collator = collator
    return sites.proof(trainer)


@fault("D12", "leak", "P1", "P2", "P3")
def test_resets_are_ignored_with_two_rows(tmp_path: Path) -> Receipt:
    given = sites.model()

    def only_single(_module: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        ids = kwargs["input_ids"]
        if len(ids) == 1:
            return args, kwargs
        return args, {**kwargs, "attention_mask": torch.ones_like(ids)}

    given.register_forward_pre_hook(only_single, with_kwargs=True)
    rows = sites.packed(sites.rows(sites.tokenizer(), sites.chats(48)))

    def collator(features: list[sites.Row]) -> dict[str, torch.Tensor]:
        shortest = min(len(row["input_ids"]) for row in features)
        return {
            name: torch.tensor([row[name][:shortest] for row in features])
            for name in ("input_ids", "labels", "position_ids")
        }

    trainer = sites.plain(tmp_path, rows, collator=collator, given=given, per_device_train_batch_size=2)
    return sites.proof(trainer)


@fault("D13", "non-finite", "P1", "P2", "P3", "P4", "P5", "P6")
def test_long_rows_overflow(tmp_path: Path) -> Receipt:
    given = sites.model()

    def overflow(_module: Any, _args: Any, kwargs: dict[str, Any], output: Any) -> Any:
        if kwargs["input_ids"].shape[1] > 200:
            # TRL's fused head gives a loss and no logits.
            for name in ("loss", "logits"):
                if getattr(output, name, None) is not None:
                    setattr(output, name, getattr(output, name) * float("nan"))
        return output

    given.register_forward_hook(overflow, with_kwargs=True)
    return proof_of(tmp_path, given)


@fault("D14", "leak", "P6")
def test_no_causal_mask(tmp_path: Path) -> Receipt:
    given = sites.model()
    for layer in given.model.layers:
        layer.self_attn.is_causal = False
    given.set_attn_implementation("sdpa")

    def open_mask(_module: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        number = (kwargs["position_ids"][0] == 0).cumsum(0)
        return args, {**kwargs, "attention_mask": (number[:, None] == number[None])[None, None]}

    given.register_forward_pre_hook(open_mask, with_kwargs=True)
    return proof_of_rows(tmp_path, given=given)

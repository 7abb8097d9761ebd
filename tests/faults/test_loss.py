"""E: faults of loss, normalization and reporting, each injected, each named by the proof or a monitor."""

import contextlib
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 (the field's name for it)
from transformers import Trainer
from transformers.trainer_utils import IntervalStrategy

import twosignal
from tests.faults import sites
from tests.faults.catalogue import fault, monitored
from twosignal.audits.finding import Finding
from twosignal.errors import HaltedError
from twosignal.prove.receipt import Receipt

pytestmark = pytest.mark.filterwarnings("ignore")


def proof_of(own: sites.Loss, folder: Path, **settings: Any) -> Receipt:
    """The proof of transformers' trainer with another loss, over uneven conversations."""
    trainer = sites.plain(folder, sites.rows(sites.tokenizer(), sites.chats(32)), **settings)
    return sites.proof(sites.with_loss(trainer, own))


def summed(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the cost of labels, each predicted from the token before it."""
    wanted = labels[:, 1:].flatten()
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), wanted, ignore_index=-100, reduction="sum")


def targets(labels: torch.Tensor) -> torch.Tensor:
    return (labels[:, 1:] != -100).sum()


def mean_of_means(
    logits: torch.Tensor, labels: torch.Tensor, _ids: torch.Tensor, count: int | None
) -> torch.Tensor:
    """Every micro-batch counts the same, whatever it holds."""
    mean = summed(logits, labels) / targets(labels)
    return mean if count is None else mean / 4


def multiplied(
    logits: torch.Tensor, labels: torch.Tensor, _ids: torch.Tensor, _count: int | None
) -> torch.Tensor:
    """The means of the micro-batches are added up and never divided by their number."""
    return summed(logits, labels) / targets(labels)


def doubly_subtracted(
    logits: torch.Tensor, labels: torch.Tensor, _ids: torch.Tensor, count: int | None
) -> torch.Tensor:
    """Boundary targets were masked already, and are subtracted from the count once more."""
    return summed(logits, labels) / ((targets(labels) if count is None else count) - 5 * len(labels))


def unmasked(
    logits: torch.Tensor, _labels: torch.Tensor, ids: torch.Tensor, _count: int | None
) -> torch.Tensor:
    """A fused loss that reads the ids and not the labels."""
    return summed(logits, ids) / targets(ids)


def shifted_twice(
    logits: torch.Tensor, labels: torch.Tensor, _ids: torch.Tensor, count: int | None
) -> torch.Tensor:
    """The labels are moved before a loss that moves them itself."""
    moved = F.pad(labels[:, 1:], (0, 1), value=-100)
    return summed(logits, moved) / (targets(labels) if count is None else count)


@fault("E1", "wrong-targets", "P4")
def test_a_mean_of_means(tmp_path: Path) -> Receipt:
    return proof_of(mean_of_means, tmp_path, gradient_accumulation_steps=4, per_device_train_batch_size=1)


@fault("E2", "wrong-targets", "P4")
def test_the_loss_grows_with_the_accumulation_steps(tmp_path: Path) -> Receipt:
    return proof_of(multiplied, tmp_path, gradient_accumulation_steps=4, per_device_train_batch_size=1)


@fault("E3", "wrong-targets", "P4")
def test_a_mean_of_the_ranks_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Receipt:
    data = sites.rows(sites.tokenizer(), sites.chats(32))
    trainer = sites.plain(tmp_path, data, average_tokens_across_devices=False)
    # Two processes, as far as the arguments say.
    monkeypatch.setattr(type(trainer.args), "world_size", property(lambda _: 2))
    return sites.proof(trainer)


@fault("E4", "wrong-targets", "P3", "P4")
def test_boundary_targets_are_subtracted_twice(tmp_path: Path) -> Receipt:
    return proof_of(doubly_subtracted, tmp_path)


@fault("E5", "wrong-targets", "P5", "P3")
def test_a_fused_loss_without_the_mask(tmp_path: Path) -> Receipt:
    return proof_of(unmasked, tmp_path)


@fault("E6", "wrong-targets", "P5", "P3")
def test_labels_shifted_twice(tmp_path: Path) -> Receipt:
    return proof_of(shifted_twice, tmp_path)


@fault("E6", "wrong-targets", "S1", "S2", "S5", "S9")
def test_labels_shifted_in_the_data(tmp_path: Path) -> Receipt:
    data = [
        {"input_ids": row["input_ids"], "labels": [*row["labels"][1:], -100]}
        for row in sites.rows(sites.tokenizer(), sites.chats())
    ]
    return sites.proof(sites.plain(tmp_path, data))


@fault("E8", "non-finite", "P1", "P2", "P3", "P4", "P5", "P6")
def test_weights_that_are_not_finite(tmp_path: Path) -> Receipt:
    given = sites.model()
    with torch.no_grad():
        given.model.layers[1].mlp.down_proj.weight[3, 4] = float("nan")
    return sites.proof(sites.sft(tmp_path, sites.messages(sites.chats()), given=given))


@fault("E10", "leak", "P1", "P2", "P3")
def test_the_attention_in_use_knows_no_boundaries(tmp_path: Path) -> Receipt:
    given = sites.model()

    def one_document(_module: Any, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return args, {k: v for k, v in kwargs.items() if k not in ("position_ids", "attention_mask")}

    given.model.register_forward_pre_hook(one_document, with_kwargs=True)
    return sites.proof(sites.sft(tmp_path, sites.messages(sites.chats()), given=given))


@monitored("E9", "diluted-metrics")
def test_metrics_averaged_with_zeros_for_empty_micro_batches(tmp_path: Path) -> list[Finding]:
    theirs = sites.tokenizer()
    data = sites.rows(theirs, sites.chats(8))
    for row in data[1:]:
        row["labels"] = [-100] * len(row["labels"])
    trainer = sites.sft(
        tmp_path,
        data,
        assistant_only_loss=False,
        max_length=64,
        gradient_accumulation_steps=4,
        logging_steps=1,
    )
    return watched(trainer)


@monitored("C15", "eval-loss")
def test_an_evaluation_loss_that_is_a_mean_of_means(tmp_path: Path) -> list[Finding]:
    data = sites.rows(sites.tokenizer(), sites.chats(9))
    trainer = sites.plain(tmp_path, data, per_device_eval_batch_size=1, logging_steps=1)
    trainer.eval_dataset = trainer.train_dataset
    trainer.args.eval_strategy, trainer.args.eval_steps = IntervalStrategy.STEPS, 1
    return watched(trainer)


@monitored("E8", "non-finite")
def test_nan_in_some_micro_batches(tmp_path: Path) -> list[Finding]:
    given = sites.model()
    calls: list[int] = []

    def break_third(_module: Any, _args: Any, output: Any) -> Any:
        calls.append(1)
        if len(calls) == 3 and output.loss is not None:
            output.loss = output.loss * float("nan")
        return output

    given.register_forward_hook(break_third)
    data = sites.rows(sites.tokenizer(), sites.chats(16))
    trainer = sites.plain(
        tmp_path, data, given=given, gradient_accumulation_steps=4, per_device_train_batch_size=1
    )
    return watched(trainer)


def watched(trainer: Trainer) -> list[Finding]:
    """Train with the callback on; return what it found, whether it halted the run or not."""
    callback = twosignal.TwoSignalCallback()
    trainer.add_callback(callback)
    with contextlib.suppress(HaltedError):
        trainer.train()
    return list(callback.findings)

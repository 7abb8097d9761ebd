"""The monitors on real trainers: each with a fault that trips it, and healthy runs that are bit for bit what they were."""

import copy
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertForTokenClassification,
    DataCollatorForLanguageModeling,
    DataCollatorForSeq2Seq,
    DataCollatorForTokenClassification,
    LlamaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    Trainer,
    TrainingArguments,
)

from tests.callbacks.hosts import chats, log, model, rows, sft, tokenized, tokenizer
from twosignal.callbacks.huggingface import TwoSignalCallback
from twosignal.callbacks.rows import RowTap
from twosignal.errors import HaltedError, InputError
from twosignal.records.reader import open_run

PACKED: dict[str, Any] = {"packing": True, "gradient_accumulation_steps": 4}


def plain(
    folder: Path, *, given: Any = None, data: Any = None, collator: Any = None, **settings: Any
) -> Trainer:
    """transformers' own trainer on labelled rows."""
    callbacks = settings.pop("callbacks", [])
    loss, held_out = settings.pop("compute_loss_func", None), settings.pop("eval_dataset", None)
    arguments = {
        "output_dir": str(folder),
        "report_to": "none",
        "use_cpu": True,
        "learning_rate": 1e-3,
        "logging_steps": 1,
        "max_steps": 2,
        "save_strategy": "no",
        "disable_tqdm": True,
        "per_device_train_batch_size": 2,
        "dataloader_pin_memory": False,
        **settings,
    }
    labelled = [{name: row[name] for name in ("input_ids", "labels")} for row in tokenized()]
    return Trainer(
        model=model() if given is None else given,
        args=TrainingArguments(**arguments),
        train_dataset=Dataset.from_list(labelled) if data is None else data,
        eval_dataset=held_out,
        data_collator=collator or DataCollatorForSeq2Seq(tokenizer(), padding=True),
        compute_loss_func=loss,
        callbacks=callbacks,
    )


def broken_in(passes: Sequence[int], *, by: float = math.nan) -> LlamaForCausalLM:
    """A model whose forward pass goes wrong at some calls, counted from 0."""
    made = model()
    calls = iter(range(10_000))

    def spoil(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        return output * by if next(calls) in passes else output

    made.model.norm.register_forward_hook(spoil)
    return made


def halted(trainer: Trainer) -> str:
    """Train until the callback stops it; return why. Nothing of ours is left in the host."""
    before = [p.detach().clone() for p in trainer.model.parameters()]
    was_filtered = trainer.args.logging_nan_inf_filter
    hooks = len(trainer.model._forward_hooks)
    with pytest.raises(HaltedError) as stopped:
        trainer.train()
    assert trainer.state.global_step > 0 or all(
        torch.equal(old, new) for old, new in zip(before, trainer.model.parameters(), strict=True)
    )
    assert len(trainer.model._forward_hooks) == hooks
    assert trainer.args.logging_nan_inf_filter == was_filtered
    loader = trainer.callback_handler.train_dataloader
    assert not isinstance(getattr(loader, "base_dataloader", loader).collate_fn, RowTap)
    return str(stopped.value)


def found(callback: TwoSignalCallback) -> dict[str, str]:
    return {finding.id: finding.message for finding in callback.findings}


def with_lora() -> Any:
    return get_peft_model(
        model(), LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    )


HEALTHY: dict[str, Callable[..., Trainer]] = {
    "packed": lambda folder, **more: sft(folder, **PACKED, **more),
    "padded": lambda folder, **more: sft(
        folder, per_device_train_batch_size=4, gradient_accumulation_steps=2, **more
    ),
    "padding-free": lambda folder, **more: sft(
        folder, padding_free=True, max_length=None, per_device_train_batch_size=4, **more
    ),
    "whole text": lambda folder, **more: sft(folder, assistant_only_loss=False, packing=True, **more),
    "lora": lambda folder, **more: sft(folder, given=with_lora(), gradient_accumulation_steps=2, **more),
    "trainer": lambda folder, **more: plain(folder, gradient_accumulation_steps=3, **more),
    "workers": lambda folder, **more: plain(folder, dataloader_num_workers=1, **more),
    "checkpointed": lambda folder, **more: plain(folder, save_strategy="steps", save_steps=1, **more),
    "smoothed": lambda folder, **more: plain(folder, label_smoothing_factor=0.1, **more),
    "clipping off": lambda folder, **more: plain(
        folder, max_grad_norm=0.0, gradient_accumulation_steps=2, **more
    ),
}


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_run_is_bit_for_bit_the_same_and_has_no_finding(name: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    alone = HEALTHY[name](tmp_path / "alone", max_steps=3)
    alone.train()
    callback = TwoSignalCallback()
    torch.manual_seed(1)
    watched = HEALTHY[name](tmp_path / "watched", max_steps=3, callbacks=[callback])
    watched.train()
    assert callback.findings == ()
    assert len(log(alone, "loss")) == 3
    assert log(watched, "loss", "grad_norm", "entropy") == log(alone, "loss", "grad_norm", "entropy")
    pairs = zip(watched.model.named_parameters(), alone.model.named_parameters(), strict=True)
    assert all(torch.equal(ours, theirs) for (_, ours), (_, theirs) in pairs)


def test_the_first_story(tmp_path: Path) -> None:
    """NaN in 3 of 8 micro-batches: TRL prints a large loss, then 0.0; with the callback the first step is the last."""
    data = rows(120)
    settings: dict[str, Any] = {"packing": True, "gradient_accumulation_steps": 8, "max_steps": 3}
    alone = sft(tmp_path / "alone", data=data, given=broken_in([2, 5, 7]), **settings)
    alone.train()
    printed = log(alone, "loss", "mean_token_accuracy")
    assert 9 < printed[0][0] < 60
    assert [loss for loss, _ in printed[1:]] == [0.0, 0.0]
    callback = TwoSignalCallback()
    watched = sft(
        tmp_path / "watched", data=data, given=broken_in([2, 5, 7]), callbacks=[callback], **settings
    )
    sentence = halted(watched)
    assert (
        "non-finite: the loss is not a finite number at step 1 in micro-batches 3, 6 and 8 of 8" in sentence
    )
    assert "loss nan, gradient norm nan" in sentence
    assert list(found(callback)) == ["non-finite"]
    assert log(watched, "loss") == []


def test_a_run_that_is_only_noted_goes_on_and_its_log_says_nan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    callback = TwoSignalCallback(action="note")
    trainer = sft(tmp_path, given=broken_in([1]), callbacks=[callback], **PACKED, max_steps=3)
    trainer.train()
    assert [math.isnan(loss) for (loss,) in log(trainer, "loss")] == [True] * 3
    assert list(found(callback)) == ["non-finite", "accuracy-of-nan", "non-finite-weights"]
    accuracy = callback.findings[1]
    assert accuracy.evidence["monitor"] == "M5"
    assert callback.findings[0].steps == (1, 2, 3)
    assert capsys.readouterr().err.count("twosignal: non-finite: the loss is not a finite number") == 1


def test_m5_the_accuracy_under_nan_is_the_share_of_token_zero(tmp_path: Path) -> None:
    """Every micro-batch is NaN: TRL 1.16 prints an accuracy of 0, others would print how often id 0 is a target."""
    callback = TwoSignalCallback(action="note")
    trainer = sft(
        tmp_path,
        given=broken_in(range(99)),
        callbacks=[callback],
        max_steps=1,
        per_device_train_batch_size=32,
    )
    trainer.train()
    ((printed,),) = log(trainer, "mean_token_accuracy")
    targets = [
        i for row in tokenized() for i, m in zip(row["input_ids"], row["assistant_masks"], strict=True) if m
    ]
    share = targets.count(0) / len(targets)
    assert printed == 0.0
    assert int(torch.full((9,), math.nan).argmax()) == 0
    assert share > 0
    finding = next(one for one in callback.findings if one.id == "accuracy-of-nan")
    assert float(str(finding.evidence["share_of_token_0"])) == pytest.approx(share, rel=1e-4)


def test_m1_labels_that_are_all_masked_are_no_targets(tmp_path: Path) -> None:
    data = Dataset.from_list(
        [{"input_ids": r["input_ids"], "labels": [-100] * len(r["input_ids"])} for r in tokenized()]
    )
    callback = TwoSignalCallback()
    assert "no targets at step 1: 0 tokens were supervised" in halted(
        plain(tmp_path, data=data, callbacks=[callback])
    )
    assert callback.findings[0].evidence["kind"] == "no-targets"


def test_m1_a_collator_that_overwrites_labels_is_wrong_targets(tmp_path: Path) -> None:
    """DataCollatorForLanguageModeling makes labels of all ids, whatever the rows say."""
    whole = DataCollatorForLanguageModeling(tokenizer(), mlm=False)
    data = Dataset.from_list(
        [{"input_ids": row["input_ids"], "labels": row["labels"]} for row in tokenized()]
    )

    def collate(features: list[dict[str, Any]]) -> Any:
        return whole([{"input_ids": feature["input_ids"]} for feature in features])

    trainer = plain(tmp_path, data=data, collator=collate, callbacks=[TwoSignalCallback()], seed=3)
    first = next(iter(trainer.get_train_dataloader()))
    assert first["labels"].ne(-100).sum() > 0
    sentence = halted(trainer)
    assert "wrong targets at step 1: the model was given" in sentence
    assert "and the rows of the step carry" in sentence


def test_m1_a_lost_mask_is_wrong_targets(tmp_path: Path) -> None:
    """Ids beside the messages and no mask: TRL 1.16 learns from everything, at a healthy-looking loss, without a word."""
    ids = [row["input_ids"] for row in tokenized()]
    data = Dataset.from_list([{"messages": c, "input_ids": i} for c, i in zip(chats(32), ids, strict=True)])
    alone = sft(tmp_path / "alone", data=data, packing=True)
    alone.train()
    assert all(4 < loss < 7 for (loss,) in log(alone, "loss"))
    sentence = halted(sft(tmp_path / "watched", data=data, packing=True, callbacks=[TwoSignalCallback()]))
    assert "only answers are to be learned, and all" in sentence
    assert "the mask is lost" in sentence


def test_m1_labels_that_are_shifted_twice_are_wrong_targets(tmp_path: Path) -> None:
    shifted = [{"input_ids": r["input_ids"], "labels": [*r["labels"][1:], -100]} for r in tokenized()]
    sentence = halted(plain(tmp_path, data=Dataset.from_list(shifted), callbacks=[TwoSignalCallback()]))
    assert "labels are not the token they stand at" in sentence


def test_m1_a_target_across_a_packed_boundary_is_wrong_targets(tmp_path: Path) -> None:
    def collate(features: list[dict[str, Any]]) -> dict[str, Tensor]:
        ids = [torch.tensor(feature["input_ids"]) for feature in features]
        positions = torch.cat([torch.arange(len(one)) for one in ids])
        return {
            "input_ids": torch.cat(ids)[None],
            "labels": torch.cat(ids)[None],
            "position_ids": positions[None],
        }

    data = Dataset.from_list([{"input_ids": row["input_ids"]} for row in tokenized()])
    trainer = plain(tmp_path, data=data, collator=collate, callbacks=[TwoSignalCallback()])
    assert "1 of " in (sentence := halted(trainer))
    assert "targets are the first token of a packed conversation" in sentence


def test_m2_a_first_loss_far_above_chance_is_wrong_targets(tmp_path: Path) -> None:
    given = model()
    with torch.no_grad():
        given.lm_head.weight *= 100
    sentence = halted(sft(tmp_path, given=given, callbacks=[TwoSignalCallback()], **PACKED))
    assert "wrong targets: the loss is" in sentence
    assert f"guessing at random gives {math.log(len(tokenizer())):.2f}" in sentence


@pytest.mark.parametrize("make", [sft, plain])
def test_m2_a_loss_of_exactly_zero_is_wrong_targets(make: Callable[..., Trainer], tmp_path: Path) -> None:
    """Every token is the same one, and the model gives nothing else a chance."""
    given = model()
    given.lm_head.register_forward_hook(certain)
    with torch.no_grad():
        given.lm_head.weight.zero_()
        given.lm_head.weight[5] = 1e4
        given.model.norm.weight.zero_()
    given.model.norm.register_forward_hook(lambda _, __, output: output + 1)
    data = Dataset.from_list([{"input_ids": [5] * 9, "labels": [5] * 9}] * 8)
    trainer = make(tmp_path, data=data, given=given, callbacks=[TwoSignalCallback()], **settings_for(make))
    assert "wrong targets: the loss is exactly 0 at step 1 over" in halted(trainer)


def certain(_: nn.Module, __: Any, output: Tensor) -> Tensor:
    return output


def settings_for(make: Callable[..., Trainer]) -> dict[str, Any]:
    return {"assistant_only_loss": False} if make is sft else {}


class IgnoresCount(LlamaForCausalLM):
    """A model that takes the count of the step and averages over its own targets all the same."""

    def forward(self, *arguments: Any, num_items_in_batch: Any = None, **named: Any) -> Any:
        del num_items_in_batch
        return super().forward(*arguments, **named)


def test_m2_a_model_that_ignores_the_count_is_learned_from_several_times_over(tmp_path: Path) -> None:
    """transformers issue 37197: the loss, and the gradient, times the accumulation steps."""
    given = IgnoresCount(model().config)
    callback = TwoSignalCallback()
    settings = {"gradient_accumulation_steps": 4, "remove_unused_columns": False}
    sentence = halted(plain(tmp_path, given=given, callbacks=[callback], **settings))
    assert (
        "wrong targets: the loss of step 1 is 4" in sentence
        or "wrong targets: the loss of step 1 is 3.9" in sentence
    )
    assert callback.findings[0].evidence["monitor"] == "M2"


class TakesNoCount(LlamaForCausalLM):
    """A model of before October 2024: the host divides means by the accumulation steps."""

    accepts_loss_kwargs = False


def test_m2_a_mean_of_means_is_told(tmp_path: Path) -> None:
    callback = TwoSignalCallback()
    trainer = plain(
        tmp_path,
        given=TakesNoCount(model().config),
        gradient_accumulation_steps=4,
        per_device_train_batch_size=1,
        callbacks=[callback],
    )
    trainer.train()
    assert "the loss is a mean of means" in found(callback)["uneven-weights"]


def test_m3_a_gradient_that_is_not_finite_stops_the_step(tmp_path: Path) -> None:
    given = model()
    given.model.layers[0].self_attn.q_proj.weight.register_hook(lambda gradient: gradient * math.inf)
    sentence = halted(
        sft(tmp_path, given=given, callbacks=[TwoSignalCallback()], max_grad_norm=0.0, **PACKED)
    )
    assert "non-finite: the gradient norm is not a finite number at step 1" in sentence


def test_m3_weights_that_overflow_are_not_saved(tmp_path: Path) -> None:
    settings = {"learning_rate": 1e39, "save_strategy": "steps", "save_steps": 1, "adam_epsilon": 1e-8}
    trainer = plain(tmp_path, callbacks=[TwoSignalCallback()], **settings)
    assert "hold nan or inf after step 1 and must not be saved" in halted(trainer)
    assert list(tmp_path.glob("checkpoint-*")) == []


def test_m4_a_gradient_of_exactly_zero_is_wrong_targets(tmp_path: Path) -> None:
    given = model()
    given.lm_head.weight.requires_grad_(False)
    given.model.norm.register_forward_hook(lambda _, __, output: output * 0 + 0.1)
    sentence = halted(sft(tmp_path, given=given, callbacks=[TwoSignalCallback()], **PACKED))
    assert "wrong targets: the gradient is exactly 0 at step 1 over" in sentence


def own_mean(outputs: Any, labels: Tensor, num_items_in_batch: Any = None) -> Tensor:
    shifted = nn.functional.pad(labels, (0, 1), value=-100)[:, 1:]
    total = nn.functional.cross_entropy(
        outputs.logits.float().flatten(0, 1), shifted.flatten(), reduction="sum"
    )
    mean: Tensor = total / num_items_in_batch
    return mean


def test_labels_that_never_reach_the_model_are_counted_in_the_collator(tmp_path: Path) -> None:
    callback = TwoSignalCallback()
    plain(tmp_path / "sound", compute_loss_func=own_mean, callbacks=[callback]).train()
    assert callback.findings == ()
    data = Dataset.from_list(
        [{"input_ids": r["input_ids"], "labels": [-100] * len(r["input_ids"])} for r in tokenized()]
    )
    trainer = plain(tmp_path, data=data, compute_loss_func=own_mean, callbacks=[TwoSignalCallback()])
    assert "no targets at step 1" in halted(trainer)


def test_what_cannot_be_seen_is_told(tmp_path: Path) -> None:
    callback = TwoSignalCallback()
    trainer = plain(tmp_path, compute_loss_func=own_mean, callbacks=[callback], dataloader_num_workers=1)
    trainer.train()
    assert "M1 and M2 are off" in found(callback)["unwatched"]


def test_a_warning_about_metrics_diluted_by_empty_micro_batches(tmp_path: Path) -> None:
    """Packed rows without targets are kept by TRL 1.16, and each counts as 0 in the entropy it prints."""
    ids = [5, 6, 7, 8, 9, 10]
    data = [{"input_ids": ids, "labels": [-100, -100, -100, 8, 9, 10]}]
    data += [{"input_ids": ids, "labels": [-100] * 6}] * 3
    callback = TwoSignalCallback()
    trainer = sft(
        tmp_path,
        data=Dataset.from_list(data),
        callbacks=[callback],
        max_steps=1,
        gradient_accumulation_steps=4,
        assistant_only_loss=False,
        packing=True,
        max_length=8,
    )
    trainer.train()
    ((printed,),) = log(trainer, "entropy")
    (finding,) = callback.findings
    assert finding.id == "diluted-metrics"
    assert finding.evidence["empty_passes"] == 3
    assert float(str(finding.evidence["entropy"])) == pytest.approx(4 * printed, rel=1e-3)


def test_an_evaluation_loss_that_is_a_mean_of_means_is_noted(tmp_path: Path) -> None:
    callback = TwoSignalCallback()
    data = Dataset.from_list([{"input_ids": r["input_ids"], "labels": r["labels"]} for r in tokenized(9)])
    evaluation = {"eval_strategy": "steps", "eval_steps": 1, "per_device_eval_batch_size": 1}
    plain(tmp_path, callbacks=[callback], eval_dataset=data, **evaluation).train()
    (finding,) = callback.findings
    assert (finding.id, finding.severity) == ("eval-loss", "note")
    assert finding.evidence["targets"] == sum(label != -100 for row in data for label in row["labels"][1:])


def labelling(folder: Path, **more: Any) -> Trainer:
    """A class for every token: labels that are neither tokens nor shifted."""
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    given = BertForTokenClassification(BertConfig(vocab_size=len(tokenizer()), num_labels=3, **shape))
    ids = [row["input_ids"] for row in tokenized(16)]
    data = Dataset.from_list([{"input_ids": i, "labels": [n % 3 for n in range(len(i))]} for i in ids])
    collator = DataCollatorForTokenClassification(tokenizer())
    return plain(folder, given=given, data=data, collator=collator, **more)


def experts(folder: Path, **more: Any) -> Trainer:
    """A mixture of experts whose printed loss holds a second loss."""
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = MixtralConfig(
        vocab_size=len(tokenizer()),
        num_key_value_heads=2,
        output_router_logits=True,
        router_aux_loss_coef=0.1,
        **shape,
    )
    return sft(folder, given=MixtralForCausalLM(config), **PACKED, **more)


@pytest.mark.parametrize("make", [labelling, experts])
def test_other_kinds_of_model_raise_no_false_alarm(make: Callable[..., Trainer], tmp_path: Path) -> None:
    callback = TwoSignalCallback()
    make(tmp_path, callbacks=[callback]).train()
    assert callback.findings == ()


def test_m2_transformers_own_encoders_ignore_the_count(tmp_path: Path) -> None:
    """transformers 5.23: the loss of a BERT under two accumulation steps is printed, and learned from, twice over."""
    sentence = halted(labelling(tmp_path, gradient_accumulation_steps=2, callbacks=[TwoSignalCallback()]))
    assert "wrong targets: the loss of step 1 is 2 times the mean" in sentence


class HostError(RuntimeError):
    """A host's own fault."""


def test_a_host_that_fails_on_its_own_leaves_nothing_that_matters(tmp_path: Path) -> None:
    """Its error is the one that is seen, and the next training is watched anew."""
    given = model()
    handle = given.model.register_forward_hook(fail)
    callback = TwoSignalCallback()
    trainer = plain(tmp_path, given=given, callbacks=[callback])
    with pytest.raises(HostError):
        trainer.train()
    handle.remove()
    trainer.train()
    assert callback.findings == ()
    assert len(given._forward_hooks) == 0
    assert trainer.args.logging_nan_inf_filter


def fail(*_: Any) -> None:
    raise HostError


def test_a_forgotten_callback_lets_go_of_the_model(tmp_path: Path) -> None:
    given = model()
    handle = given.model.register_forward_hook(fail)
    callback = TwoSignalCallback()
    trainer = plain(tmp_path, given=given, callbacks=[callback])
    with pytest.raises(HostError):
        trainer.train()
    assert len(given._forward_hooks) == 1
    callback.detach(trainer.args)
    assert len(given._forward_hooks) == 0
    handle.remove()


def test_a_run_folder_is_written(tmp_path: Path) -> None:
    callback = TwoSignalCallback(runs=tmp_path / "runs")
    trainer = sft(tmp_path / "out", callbacks=[callback], **PACKED, max_steps=3)
    trainer.train()
    (folder,) = (tmp_path / "runs").glob("host-*")
    run = open_run(folder)
    assert run.state == "finished"
    steps = run.steps()
    assert steps["step"].tolist() == [1, 2, 3]
    printed = [loss for (loss,) in log(trainer, "loss")]
    assert (steps["loss_sum"] / steps["targets"]).tolist() == pytest.approx(printed, rel=1e-5)
    assert steps["learning_rate"].tolist() == [1e-3] * 3
    assert list(run.events("finding")) == []


def test_a_halted_run_says_why_in_its_folder(tmp_path: Path) -> None:
    callback = TwoSignalCallback(runs=tmp_path / "runs")
    halted(sft(tmp_path / "out", given=broken_in([0]), callbacks=[callback], **PACKED))
    (folder,) = (tmp_path / "runs").glob("host-*")
    run = open_run(folder)
    assert run.state == "halted"
    assert [event.text("id") for event in run.events("finding")] == ["non-finite"]
    assert len(run.steps()) == 1
    assert math.isnan(run.steps()["loss_sum"][0])


def test_an_unknown_action_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"a callback halts or notes \(found action='stop'; expected \"halt\" or \"note\"\)"
    ):
        TwoSignalCallback(action="stop")  # type: ignore[arg-type]


def test_a_callback_may_be_given_as_a_class(tmp_path: Path) -> None:
    trainer = sft(tmp_path, given=copy.deepcopy(model()), **PACKED, max_steps=1)
    trainer.add_callback(TwoSignalCallback)
    trainer.train()
    assert any(isinstance(one, TwoSignalCallback) for one in trainer.callback_handler.callbacks)

"""A callback for transformers' Trainer and TRL's trainers: takes their training as it runs, gives findings, and stops at a fault.

    trainer = SFTTrainer(..., callbacks=[TwoSignalCallback()])

At every step, before the optimizer moves a weight: the targets the model is given (M1), the loss and what
is learned from it (M2), finite loss, gradients and, before a save, weights (M3), a gradient above 0 (M4); at every line
of the log, whether it is true (M5). Each fault is one of three: no targets, wrong targets, non-finite.
"""

import math
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from torch.utils.data import DataLoader
from transformers import TrainerCallback

from twosignal.audits.finding import Finding
from twosignal.audits.monitors import MAX_STEPS
from twosignal.callbacks.folder import HostFolder
from twosignal.callbacks.rows import RowTap
from twosignal.callbacks.step import HostStep
from twosignal.callbacks.watch import HostWatch
from twosignal.callbacks.witness import Witness, is_causal
from twosignal.errors import HaltedError, InputError

Action = Literal["halt", "note"]


class TwoSignalCallback(TrainerCallback):
    """Keeps the monitors M1 to M5 on while a transformers or TRL trainer trains.

    `action="halt"` raises HaltedError at the first alarm, before the weights move; "note" only records. `runs` is
    a folder in which a twosignal run is recorded; None records nothing. While it trains, the host's
    `logging_nan_inf_filter` is off, which prints 0.0 or doubled losses in place of nan.

    Raises InputError for another action, StorageError where `runs` cannot be written.
    """

    def __init__(self, *, action: Action = "halt", runs: Path | str | None = None) -> None:
        if action not in get_args(Action):
            message = "a callback halts or notes"
            raise InputError(message, found=f"action={action!r}", expected='"halt" or "note"')
        self.action = action
        self._runs = None if runs is None else Path(runs)
        self._found: dict[str, Finding] = {}
        self._watch: HostWatch | None = None
        self._folder: HostFolder | None = None
        self._had_filter: bool | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found so far, one finding per kind, with the first steps at which it was seen."""
        return tuple(self._found.values())

    def on_train_begin(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ANN401, ARG002
        """Hook into model and collator."""
        self.detach(args)
        self._had_filter = args.logging_nan_inf_filter
        args.logging_nan_inf_filter = False
        self._watch = watch_of(
            args, given["model"], given.get("train_dataloader"), first_step=state.global_step
        )
        if self._runs is not None and state.is_world_process_zero:
            self._folder = HostFolder.create(self._runs, given["model"], steps=state.max_steps)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401, ARG002
        """Forget what was collated and not trained on."""
        if self._watch is not None and self._watch.tap is not None:
            self._watch.tap.forget()

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401, ARG002
        """Watch the passes that follow."""
        if self._watch is not None:
            self._watch.begin_step(state.global_step + 1)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ANN401, ARG002
        """Judge the step while the weights are still what they were."""
        if self._watch is None:
            return
        step = state.global_step + 1
        figures, found = self._watch.end_step(step)
        self._record(figures, step, optimizer=given.get("optimizer"))
        self._tell(found, args)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        """Look at the weights before they are saved, and after the last step."""
        is_last = state.global_step >= state.max_steps
        if self._watch is not None and (is_last or control.should_save or control.should_evaluate):
            self._tell(self._watch.check_weights(state.global_step), args)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401
        """Look at the weights before they are saved."""
        if self._watch is not None and control.should_save:
            self._tell(self._watch.check_weights(state.global_step), args)

    def on_log(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ANN401, ARG002
        """Compare what is printed with what was measured."""
        logs = given.get("logs") or {}
        if self._watch is not None and "loss" in logs:
            self._tell(self._watch.end_window(state.global_step, logs), args)

    def on_evaluate(self, args: Any, state: Any, control: Any, **given: Any) -> None:  # noqa: ANN401, ARG002
        """Compare the evaluation loss with what was measured."""
        if self._watch is not None:
            self._tell(self._watch.end_evaluation(state.global_step, given.get("metrics") or {}), args)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ANN401, ARG002
        """Leave everything as it was."""
        if self._folder is not None:
            self._folder.end(state.global_step, "finished", "the host's training ended")
        self.detach(args)

    def detach(self, args: Any = None) -> None:  # noqa: ANN401
        """Leave model, collator and arguments as they were; done by itself when training ends or is halted."""
        if self._watch is not None:
            self._watch.end()
            self._watch = None
        if self._folder is not None:
            self._folder.close()
            self._folder = None
        if args is not None and self._had_filter is not None:
            args.logging_nan_inf_filter = self._had_filter
            self._had_filter = None

    def _tell(self, found: tuple[Finding, ...], args: Any) -> None:  # noqa: ANN401
        """Keep findings, stop the host at an alarm, and print what is new and does not stop it."""
        fatal = [one for one in found if one.severity == "alarm" and self.action == "halt"][:1]
        for finding in found:
            known = self._found.get(finding.id)
            if known is None and finding.severity != "note" and finding not in fatal:
                print(f"twosignal: {finding.message}. {finding.remedy}", file=sys.stderr, flush=True)
            steps = (*(known.steps if known else ()), *finding.steps)[:MAX_STEPS]
            self._found[finding.id] = replace(known or finding, steps=steps)
            if self._folder is not None:
                self._folder.finding(finding)
        for finding in fatal:
            self._halt(finding, args)

    def _halt(self, finding: Finding, args: Any) -> None:  # noqa: ANN401
        if self._folder is not None:
            self._folder.end(finding.steps[0], "halted", finding.message)
        self.detach(args)
        raise HaltedError(finding.message, remedy=finding.remedy)

    def _record(self, figures: HostStep, step: int, *, optimizer: Any) -> None:  # noqa: ANN401
        if self._folder is not None:
            rate = optimizer.param_groups[0]["lr"] if optimizer is not None else math.nan
            self._folder.step(figures, step, learning_rate=float(rate))


def watch_of(args: Any, model: Any, loader: Any, *, first_step: int) -> HostWatch:  # noqa: ANN401 (a foreign trainer's)
    """Hook into what a host's callback is given; `args` are its training arguments."""
    tap = None
    dispatches = "Dispatcher" in type(loader).__name__
    # Under accelerate the loader that collates is inside the one that is iterated over.
    loader = getattr(loader, "base_dataloader", loader)
    # Workers collate in processes of their own, and a dispatcher cuts batches up after they were collated.
    if isinstance(loader, DataLoader) and loader.num_workers == 0 and not dispatches:
        tap = RowTap(loader.collate_fn, is_shifted=is_causal(model))
        loader.collate_fn = tap
    return HostWatch(
        model=model,
        witness=Witness(model, tap=tap),
        loader=loader,
        tap=tap,
        random_chance=_random_chance(model),
        only_answers=bool(
            getattr(args, "assistant_only_loss", False) or getattr(args, "completion_only_loss", False)
        ),
        has_plain_loss=not args.label_smoothing_factor
        and not args.fp16
        and args.n_gpu <= 1
        and getattr(args, "loss_type", "nll") == "nll",
        sees_gradients=args.deepspeed is None and not args.fp16,
        first_step=first_step,
    )


def _random_chance(model: Any) -> float | None:  # noqa: ANN401
    with suppress(AttributeError):
        return math.log(model.config.get_text_config().vocab_size)
    return None

"""A whole run: takes a proved setup, trains it into a new run folder, or goes on with a run cut short; gives a `Result`."""

import math
import shutil
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import tomli_w
import torch
from rich.console import Console

from twosignal.audits.gate import Gate
from twosignal.audits.tiers import tiers_of
from twosignal.config import Config
from twosignal.curriculum.saved import Origin
from twosignal.errors import RunError, TwosignalError
from twosignal.model.compiled import compile_layers
from twosignal.records.columns import learning_columns
from twosignal.records.reader import Run, open_run
from twosignal.records.room import Patience, waiting_for_room
from twosignal.records.storage import write_atomic, write_json_atomic
from twosignal.records.writer import RunWriter
from twosignal.runfile import config_hash
from twosignal.tokens.render import Renderer
from twosignal.train.agreement import check_inputs, check_target
from twosignal.train.alerts import Alerts
from twosignal.train.checkpoint import newest_checkpoint, read_state, restore_checkpoint
from twosignal.train.copies import copy_index
from twosignal.train.loop import Outcome, fit
from twosignal.train.panel import Prompt, given_panel, held_out_panel
from twosignal.train.rate import Rate
from twosignal.train.recorder import Recorder
from twosignal.train.running import Running
from twosignal.train.samples import Sampler
from twosignal.train.setup import Setup
from twosignal.train.space import check_space, retention_of
from twosignal.train.steering.requests import Requests
from twosignal.train.steering.steering import Steering, mix_report
from twosignal.train.watch import Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """What the proof found, as plain values for the record."""

    receipt: Mapping[str, Any]
    """Without the time it took."""
    seconds: float
    times: Mapping[str, Any] = field(default_factory=dict)
    """What of the receipt depends on the moment, for receipt.json alone."""
    page: str = ""
    """The receipt as a page, or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A run that ended, or was interrupted."""

    run: Run
    outcome: Outcome
    tokens_per_second: float
    """Tokens read per second of step time."""
    targets_per_second: float
    seconds: float
    """Step time of this process."""

    @property
    def exit_code(self) -> int:
        """0 done, 3 halted, 130 interrupted."""
        if self.outcome.interrupted:
            return 130
        return 3 if self.outcome.verdict.kind == "halt" and self.run.state == "halted" else 0


def start(setup: Setup, proved: Proved, *, folder: Path, runs_dir: Path, console: Console) -> Result:
    """Make a new run folder and train; `folder` is where the run file's relative paths start."""
    given = config_hash(setup.config)
    check_space(setup, runs_dir, say=partial(console.print, soft_wrap=True))
    writer = RunWriter.create(
        runs_dir,
        setup.config.run.name,
        run_toml=_run_toml(setup, given=given, folder=folder),
        columns=learning_columns(setup.sources),
        now=datetime.now(),
    )
    with writer:
        try:
            running = _begin(setup, proved, writer, console=console)
        except TwosignalError:
            shutil.rmtree(writer.path, ignore_errors=True)
            raise
        return _finish(running)


def resume(setup: Setup, run: Run, proved: Proved, *, console: Console) -> Result:
    """Go on from the newest checkpoint of a run, bit for bit; without one, start it over in its folder.

    Raises RunError when the run is damaged, or its data has changed.
    """
    check_space(setup, run.path, say=partial(console.print, soft_wrap=True))
    with RunWriter.reopen(run.path) as writer:
        check_inputs(run, {name: source.fingerprint for name, source in setup.sources.items()})
        check_target(run, {target.name: target.weight for target in setup.targets})
        _keep_run_file(setup, run)
        checkpoint = newest_checkpoint(run.path)
        if checkpoint is None:
            return _finish(_begin(setup, proved, writer, console=console, is_resumed=True))
        state = read_state(checkpoint)
        running = _running(setup, writer, console=console)
        restore_checkpoint(checkpoint, running.parts())
        running.restore(state)
        running.recorder.open(resumed_from=running.step)
        running.recorder.resume(state)
        console.print(f"going on with {run.id} after step {running.step}", soft_wrap=True)
        return _finish(running)


def newest_run_of(config: Config, runs_dir: Path) -> Run | None:
    """Return the newest run of exactly this configuration, whatever its state; None if there is none."""
    given = config_hash(config)
    found = []
    for path in runs_dir.glob(f"{config.run.name}-*"):
        try:
            table = tomllib.loads((path / "run.toml").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if table.get("resolved", {}).get("config") == given:
            found.append(path)
    return open_run(max(found, key=lambda path: path.stat().st_mtime)) if found else None


def run_config(run: Run) -> tuple[Config, Path]:
    """Return the resolved configuration of a run, and the folder its relative paths start at."""
    values = run.config
    resolved = values.pop("resolved", {})
    try:
        return Config.model_validate(values), Path(resolved["folder"])
    except (ValueError, KeyError) as error:
        message = "the run's configuration was not written by this version of twosignal"
        raise RunError(message, where=str(run.path / "run.toml"), found=str(error)[:200]) from error


def _begin(
    setup: Setup, proved: Proved, writer: RunWriter, *, console: Console, is_resumed: bool = False
) -> Running:
    told = {**proved.receipt, "seconds": proved.seconds, **proved.times}
    write_json_atomic(writer.path / "receipt.json", told)
    if proved.page:
        write_atomic(writer.path / "receipt.html", proved.page.encode())
    torch.manual_seed(setup.config.run.seed)  # what dropout draws from
    running = _running(setup, writer, console=console)
    running.recorder.open(resumed_from=0 if is_resumed else None)
    if is_resumed:
        running.recorder.resume(None)
    running.recorder.begin(_start_body(setup), proved.receipt, seconds=proved.seconds)
    console.print(f"run folder: {writer.path}", highlight=False, soft_wrap=True, markup=False)
    return running


def _finish(running: Running) -> Result:
    try:
        with running.watch.showing(), waiting_for_room(_patience(running)):
            outcome = fit(running)
    except KeyboardInterrupt:
        running.recorder.give_up("interrupted")
        raise
    except Exception as fault:
        running.recorder.give_up("failed")
        running.alerts.send("failed", step=running.step, reason=str(fault) or type(fault).__name__)
        raise
    finally:
        running.alerts.close()
    tokens, targets = running.watch.speed
    return Result(
        run=open_run(running.recorder.folder),
        outcome=outcome,
        tokens_per_second=tokens,
        targets_per_second=targets,
        seconds=running.watch.seconds,
    )


def _patience(running: Running) -> Patience:
    """Return how the run waits for room on a full disk: until the user asks it to stop, and no longer than allowed."""
    return Patience(
        seconds=60 * running.setup.config.checkpoints.wait_minutes,
        say=running.watch.notice,
        is_stopped=lambda: running.watch.interrupted,
    )


def _running(setup: Setup, writer: RunWriter, *, console: Console) -> Running:
    config = setup.config
    run = Run(path=writer.path)
    _, folder = run_config(run)
    say = partial(console.print, soft_wrap=True)
    copies = copy_index(setup, folder=folder, cache=writer.path.parent / ".cache", say=say)
    if setup.is_compiled:
        compile_layers(setup.learner.model)
    recorder = Recorder(
        writer, sources=list(setup.sources), mix=partial(mix_report, setup), retention=retention_of(config)
    )
    watch = Watch(console, steps=setup.steps, done=run.last_step)
    rate = Rate(schedule=setup.learning_rate(), rewarm=config.train.rewarm)
    setup.curriculum.origin = Origin(run=run.id, config=config_hash(config))
    return Running(
        setup=setup,
        mover=setup.mover(),
        rate=rate,
        gate=Gate(
            rule=config.gate.rule,
            threshold=config.gate.threshold,
            patience=config.gate.patience,
            random_chance=setup.random_chance,
            unigram_loss=setup.unigram_loss,
        ),
        sampler=replace(sampler_of(setup), copies=copies),
        recorder=recorder,
        watch=watch,
        steering=Steering(setup, recorder=recorder, watch=watch, rate=rate, requests=Requests(run)),
        alerts=Alerts(table=config.alerts, folder=writer.path, say=say),
    )


def sampler_of(setup: Setup) -> Sampler:
    """Return what lets the model of a setup speak."""
    return Sampler(
        learner=setup.learner,
        tokenizer=setup.tokenizer,
        panel=panel_of(setup),
        table=setup.config.samples,
        seed=setup.config.run.seed,
        random_chance=setup.random_chance,
        tiers=tiers_of(setup.config.tiers),
    )


def panel_of(setup: Setup) -> list[Prompt]:
    """Return the prompts a run is sampled with: the user's own, else held-out ones, else an empty line."""
    samples = setup.config.samples
    longest = max(8, setup.context // 2)
    if not samples.prompts:
        panel = held_out_panel(setup.sources, setup.tokenizer, size=samples.panel, longest=longest)
        if panel:
            return panel
    renderer = Renderer(setup.tokenizer, "assistant")
    return given_panel(samples.prompts, renderer, chat=setup.has_conversations())


def _start_body(setup: Setup) -> dict[str, Any]:
    config = setup.config
    unigram = setup.unigram_loss
    return {
        "model": config.model.source or config.model.preset or "",
        "vocab": setup.vocabulary,
        "steps": setup.steps,
        "sources": list(setup.sources),
        "parameters": setup.num_parameters,
        "context": setup.context,
        "row_tokens": setup.row_tokens,
        "rows_per_step": config.rows.per_step,
        "random_chance": setup.random_chance,
        "unigram_loss": math.nan if unigram is None else unigram,
        "peak_learning_rate": setup.peak,
        "shares": setup.curriculum.shares,
        "policy": setup.curriculum.policy.name,
        "target": {target.name: target.weight for target in setup.targets},
        "inputs": {name: source.fingerprint for name, source in setup.sources.items()},
        "tokenizer": setup.tokenizer.fingerprint(),
        "config": config_hash(config),
        "device": str(setup.learner.device),
        "precision": str(setup.learner.autocast or "float32").removeprefix("torch."),
    }


def _keep_run_file(setup: Setup, run: Run) -> None:
    """Write the run file anew where its mix of sources has changed; the record of the change is a `switch` event."""
    given, (_, folder) = config_hash(setup.config), run_config(run)
    if run.config["resolved"]["config"] != given:
        write_atomic(run.path / "run.toml", _run_toml(setup, given=given, folder=folder).encode())


def _run_toml(setup: Setup, *, given: str, folder: Path) -> str:
    """Return the resolved run file: every default filled in, steps and row length settled."""
    values = setup.config.model_dump(by_alias=True, exclude_none=True)
    for length in ("epochs", "tokens", "hours"):
        values["run"].pop(length, None)
    values["run"]["steps"] = setup.steps
    values["rows"]["tokens"] = setup.row_tokens
    values["resolved"] = {"config": given, "folder": str(folder.resolve()), "version": 1}
    return tomli_w.dumps(values)

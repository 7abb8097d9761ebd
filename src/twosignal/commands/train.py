"""`twosignal train CONFIG`: takes a run file, gives a trained run, or the sentence why not."""

from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from twosignal.audits.finding import Verdict
from twosignal.commands.console import console_for, print_json
from twosignal.commands.pages import show_pages
from twosignal.config import Config
from twosignal.errors import HaltedError, RunError
from twosignal.prove.page import receipt_page
from twosignal.prove.proof import prove
from twosignal.prove.show import show_receipt
from twosignal.records.reader import Run, open_run
from twosignal.runfile import load_config
from twosignal.train.agreement import check_config
from twosignal.train.hours import settle_hours
from twosignal.train.run import Proved, Result, newest_run_of, resume, run_config, sampler_of, start
from twosignal.train.setup import Setup, build

GREEDY_NOTE = (
    "samples.temperature is 0: the likeliest text of a healthy young model often loops, and the gate may halt it; "
    "0.8 is the default"
)


def run(options: Namespace) -> int:
    """Run the command."""
    console = console_for(options)
    config, folder = load_config(options.config, options.set), options.config.parent
    earlier = _earlier(config, options, console)
    if earlier is not None and earlier.state == "finished":
        return report_finished(earlier, console, as_json=options.json)
    show_pages(options, options.runs, console)
    result = train_config(config, folder=folder, runs_dir=options.runs, earlier=earlier, console=console)
    return report(result, console, as_json=options.json)


def _earlier(config: Config, options: Namespace, console: Console) -> Run | None:
    """Return the run to go on with; None when a new one is to be started."""
    if options.resume not in ("auto", "never"):
        earlier = open_run(options.resume, options.runs)
        check_config(config, earlier, started=run_config(earlier)[0])
        return earlier
    newest = newest_run_of(config, options.runs)
    if options.resume == "auto" or newest is None:
        return newest
    # A damaged run is no obstacle to a new one.
    with suppress(RunError):
        if newest.state in ("interrupted", "failed", "stopped"):
            console.print(
                f"note: {newest.id} was cut short; --resume auto would go on with it", soft_wrap=True
            )
    return None


def train_file(config: Path | str, *, settings: Sequence[str] = (), runs_dir: Path | str = "runs") -> Result:
    """Prove and train a run file, as `twosignal train CONFIG --set ...` does; figures go to stderr.

    Raises a TwosignalError where the command would end with its exit code; a run halted by the gate is a
    result whose `exit_code` is 3.
    """
    path = Path(config)
    console = Console(stderr=True, highlight=False)
    return train_config(
        load_config(path, settings), folder=path.parent, runs_dir=Path(runs_dir), console=console
    )


def train_config(
    config: Config, *, folder: Path, runs_dir: Path, earlier: Run | None = None, console: Console
) -> Result:
    """Prove and train a configuration, or go on with `earlier`."""
    if config.samples.temperature == 0 and config.gate.action != "note":
        console.print(f"note: {GREEDY_NOTE}")
    setup = build(config, folder=folder, runs_dir=runs_dir, say=console.print)
    if earlier is not None:
        setup.plan(run_config(earlier)[0].run.steps or setup.steps)
    else:
        settle_hours(setup, sampler_of(setup), say=console.print)
    proved = prove_setup(setup, console)
    if earlier is not None:
        return resume(setup, earlier, proved, console=console)
    return start(setup, proved, folder=folder, runs_dir=runs_dir, console=console)


def prove_setup(setup: Setup, console: Console) -> Proved:
    """Run the proof and show it; raise RefusedError when it finds a fault."""
    receipt = prove(setup)
    show_receipt(receipt, console)
    receipt.raise_if_refused()
    whole = receipt.as_dict()
    return Proved(
        receipt=receipt.as_dict(clock=False),
        seconds=receipt.seconds,
        times={name: whole[name] for name in ("checks", "share_of_run")},
        page=receipt_page(whole, title=f"Proof of {setup.config.run.name}"),
    )


def report(result: Result, console: Console, *, as_json: bool) -> int:
    """Print how a run ended; raise HaltedError when it was halted."""
    outcome, run = result.outcome, result.run
    if as_json:
        ending = {
            "steps": outcome.step,
            "exit": result.exit_code,
            "probe": outcome.probe,
            "verdict": outcome.verdict.kind,
            "reason": outcome.verdict.reason,
            "tokens_per_second": round(result.tokens_per_second, 1),
            "targets_per_second": round(result.targets_per_second, 1),
            "seconds": round(result.seconds, 2),
        }
        print_json(_summary(run) | ending)
    if result.exit_code == 3:
        message = f"the gate halted {run.id} at step {outcome.step}: {outcome.verdict.reason}"
        raise HaltedError(message, remedy=_way_on(run, outcome.verdict))
    word = "interrupted, saved" if outcome.interrupted else "finished"
    best = _best_checkpoint(run)
    console.print(
        f"{run.id} {word} at step {outcome.step}; held-out loss {outcome.probe:.3f}"
        + (f"; best checkpoint {best}" if best else ""),
        soft_wrap=True,
    )
    return result.exit_code


def _way_on(run: Run, verdict: Verdict) -> str:
    """Return what to do about a halted run: an alarm says so itself, a rotten model is best left for a better one."""
    finding = run.snapshot().last_event("finding")
    if finding is not None and finding.body["id"] == verdict.rule:
        return finding.text("remedy")
    best = _best_checkpoint(run)
    saved = (
        f"The best checkpoint is {best}." if best else "No checkpoint was saved whose texts were coherent."
    )
    return f"{saved} Read the texts with: twosignal audit {run.id}"


def _best_checkpoint(run: Run) -> str | None:
    """Return the name of the checkpoint with the lowest held-out loss among those whose texts were coherent."""
    saved = run.snapshot().last_event("checkpoint")
    best = saved.body.get("best") if saved else None
    return best if isinstance(best, str) else None


def report_finished(run: Run, console: Console, *, as_json: bool) -> int:
    """Print how a run ended that an earlier process finished; this one took no time."""
    console.print(f"{run.id} is finished: nothing is left to do", soft_wrap=True)
    if as_json:
        print_json(_summary(run) | {"tokens_per_second": None, "targets_per_second": None, "seconds": 0.0})
    return 0


def _summary(run: Run) -> dict[str, Any]:
    """Return what the records of a run say of its end."""
    records = run.snapshot()
    losses, probe, verdict = records.steps(), records.last_event("probe"), records.last_event("verdict")
    last = losses[losses["targets"] > 0][-1:]
    return {
        "run": run.id,
        "steps": run.last_step,
        "exit": 0,
        "loss": float(last["loss_sum"][0] / last["targets"][0]) if len(last) else None,
        "probe": probe.number("loss") if probe else None,
        "verdict": verdict.text("verdict") if verdict else "continue",
        "reason": verdict.text("reason") if verdict else "",
        "best": _best_checkpoint(run),
        "folder": str(run.path),
    }

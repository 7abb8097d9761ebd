"""The command line: takes arguments, gives an exit code. Each command imports its room only when it is chosen.

Exit codes: 0 done; 1 our fault, with the path of a report; 2 the user's input; 3 halted by the gate;
4 refused by the proof; 130 interrupted, state saved.
"""

import argparse
import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from twosignal.commands.arguments import count, seed, temperature
from twosignal.commands.dashboard_options import beside_options, serve_options
from twosignal.commands.grade_options import GRADING
from twosignal.errors import TwosignalError


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line, as all our errors are."""

    def error(self, message: str) -> NoReturn:
        """End with exit code 2 and one sentence."""
        self.exit(2, f"twosignal: {message}. See {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; no input of a user ends in a traceback."""
    options = parser().parse_args(arguments)
    _hide_foreign_bars()
    _share_cores()
    try:
        module = importlib.import_module(f"twosignal.commands.{options.module}")
        code: int = module.run(options)
        sys.stdout.flush()
    except TwosignalError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _complain("interrupted")
        return 130
    except BrokenPipeError:
        _drop_stdout()
        return 0
    except Exception:  # noqa: BLE001 (the one boundary: a fault of ours becomes a report)
        return _report()
    return code


def parser() -> Parser:
    """Return the parser of all commands."""
    top = Parser(
        prog="twosignal",
        description="Train language models on two signals: the loss, and what the model says.",
        epilog="Exit codes: 0 done, 1 our fault, 2 wrong input, 3 halted by the gate, 4 refused by the proof, "
        "130 interrupted.",
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (help_text, fill) in COMMANDS.items():
        command = commands.add_parser(
            name, help=help_text, description=help_text[0].upper() + help_text[1:] + "."
        )
        command.set_defaults(module=name)
        fill(command)
    return top


def _demo(command: Parser) -> None:
    command.add_argument(
        "--out", type=Path, default=Path("runs"), metavar="DIR", help="runs folder (default: runs)"
    )
    command.add_argument("--minutes", type=float, default=3.0, metavar="M", help="training time (default: 3)")
    beside_options(command)
    _json(command)


def _train(command: Parser) -> None:
    _config(command)
    _runs_dir(command)
    command.add_argument(
        "--resume",
        default="never",
        metavar="auto|never|RUN",
        help="auto: go on with the newest run of this run file unless it is finished, or start the first; "
        "never (default): start a new run; RUN: go on with that one",
    )
    beside_options(command)
    _json(command)


def _prove(command: Parser) -> None:
    command.add_argument(
        "config", metavar="CONFIG|RUN", help="a run file, or a run whose proof is to be repeated"
    )
    command.add_argument(
        "--rows",
        type=count,
        metavar="N",
        help="rows of each source to take apart token by token (default: 4000)",
    )
    command.add_argument("--html", type=Path, metavar="FILE", help="write the receipt as a page, too")
    _set(command)
    _runs_dir(command)
    _json(command)


def _show(command: Parser) -> None:
    _config(command)
    command.add_argument("--source", metavar="S", help="only this source")
    command.add_argument(
        "-n", type=count, default=3, metavar="N", help="how many of each source (default: 3)"
    )
    command.add_argument("--packed", action="store_true", help="show packed rows, segment by segment")
    command.add_argument("--html", type=Path, metavar="FILE", help="write a page instead")
    _runs_dir(command)
    _json(command)


def _index(command: Parser) -> None:
    command.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="files, folders, globs, builtin:NAME or hf:owner/name; or a run file, for what it trains on",
    )
    command.add_argument(
        "--out", type=Path, required=True, metavar="INDEX", help="folder to make; an older index is replaced"
    )
    _json(command)


def _trace(command: Parser) -> None:
    command.add_argument(
        "index", metavar="RUN|INDEX", help="a copy index, or a run that was trained with one"
    )
    command.add_argument("text", metavar="TEXT|FILE|-", help="a text, a file with it, or - for stdin")
    command.add_argument(
        "--tokenizer",
        metavar="T",
        help="folder or hub id of the tokenizer that counts tokens (default: the run's, else 4 bytes a token)",
    )
    _runs_dir(command)
    _json(command)


def _audit(command: Parser) -> None:
    _run(command)
    command.add_argument("--steps", metavar="A:B", help="window of steps (default: the newest)")
    command.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        help="write a page with every text of the window, to read anywhere",
    )
    _runs_dir(command)
    _json(command)


def _score(command: Parser) -> None:
    command.add_argument(
        "text",
        metavar="TEXT|FILE|-",
        help='a text; a file of text, or of samples if it is .jsonl: {"text", "prompt"?} a line; - is standard input',
    )
    command.add_argument(
        "--prompt", metavar="PROMPT", help="what the text answers, to judge its language and length as well"
    )
    _json(command)


def _backtest(command: Parser) -> None:
    command.add_argument(
        "run",
        metavar="RUN|SAMPLES.jsonl",
        help='a run folder, its id, or a file of samples: {"step", "text", "prompt"?, "loss"?, "time"?} a line',
    )
    command.add_argument(
        "--rule",
        action="append",
        metavar="andrea|all-four|default|FILE",
        help="a rule to try, or a TOML file that describes one; may be given again (default: the three by name)",
    )
    _runs_dir(command)
    _json(command)


def _grade(command: Parser) -> None:
    actions = command.add_subparsers(title="actions", metavar="ACTION", required=True)
    for name, (help_text, fill) in GRADING.items():
        action = actions.add_parser(
            name, help=help_text, description=help_text[0].upper() + help_text[1:] + "."
        )
        action.set_defaults(module=f"grade_{name}")
        _run(action)
        fill(action)
        _runs_dir(action)
        _json(action)


def _runs(command: Parser) -> None:
    command.add_argument(
        "runs", type=Path, nargs="?", default=Path("runs"), metavar="RUNS_DIR", help="default: runs"
    )
    command.add_argument(
        "--sort",
        choices=("name", "started", "updated", "steps", "loss", "probe", "state"),
        default="name",
        metavar="BY",
        help="name (default), started, updated or steps (newest and most first), loss or probe (lowest first), state",
    )
    command.add_argument(
        "--state", action="append", metavar="S", help="only runs of this state; may be given again"
    )
    command.add_argument(
        "--verdict", action="append", metavar="V", help="only runs with this last verdict; may be given again"
    )
    command.add_argument(
        "--keep", metavar="RUN", help="mark a run to be kept whole: nothing of it is thinned out"
    )
    command.add_argument("--let-go", metavar="RUN", help="take that mark away")
    _json(command)


def _dashboard(command: Parser) -> None:
    serve_options(command)
    _json(command)


def _verify(command: Parser) -> None:
    _run(command)
    command.add_argument(
        "--quick", action="store_true", help="leave out the files of checkpoints, which can be large"
    )
    _runs_dir(command)
    _json(command)


def _mix(command: Parser) -> None:
    _run(command)
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SOURCE=SHARE",
        help="give a source exactly this share of the rows, 0 retires it; may be given again",
    )
    command.add_argument(
        "--cap",
        action="append",
        default=[],
        metavar="SOURCE=SHARE",
        help="give a source at most this share; may be given again",
    )
    command.add_argument(
        "--release",
        action="append",
        default=[],
        metavar="SOURCE",
        help="let the run file's floor and cap hold for a source again",
    )
    _runs_dir(command)
    _json(command)


def _compare(command: Parser) -> None:
    command.add_argument("run_a", metavar="RUN_A")
    command.add_argument("run_b", metavar="RUN_B")
    _runs_dir(command)
    _json(command)


def _sample(command: Parser) -> None:
    _run(command)
    command.add_argument("prompt", nargs="?", metavar="PROMPT", help="default: the run's own panel")
    command.add_argument("-n", type=count, default=1, metavar="N", help="samples of each prompt (default: 1)")
    command.add_argument(
        "--tokens", type=count, default=200, metavar="T", help="longest answer (default: 200)"
    )
    command.add_argument("--temperature", type=temperature, default=0.8, metavar="T", help="default: 0.8")
    command.add_argument("--seed", type=seed, default=0, metavar="S", help="default: 0")
    command.add_argument(
        "--step", type=int, metavar="K", help="checkpoint of this step (default: the newest)"
    )
    _runs_dir(command)
    _json(command)


def _chat(command: Parser) -> None:
    _run(command)
    command.add_argument("--temperature", type=temperature, default=0.8, metavar="T", help="default: 0.8")
    command.add_argument("--seed", type=seed, default=0, metavar="S", help="default: 0")
    command.add_argument(
        "--step", type=int, metavar="K", help="checkpoint of this step (default: the newest)"
    )
    _runs_dir(command)


def _bench(command: Parser) -> None:
    command.add_argument("name", nargs="?", metavar="NAME", help="default: list them")
    command.add_argument("rest", nargs=argparse.REMAINDER, help="arguments of the benchmark")


COMMANDS: dict[str, tuple[str, Callable[[Parser], None]]] = {
    "demo": ("grow a small model on data that every machine has, and audit it", _demo),
    "train": ("prove a run file, then train it", _train),
    "prove": ("check masks, packing and isolation on the real model; train nothing", _prove),
    "show": ("show examples as the model sees them, the supervised part coloured", _show),
    "index": ("build the index of training text in which copies are found", _index),
    "trace": ("show which parts of a text were copied from the training text, and from where", _trace),
    "audit": ("read a run's samples and say what they mean", _audit),
    "backtest": ("say when each rule would have stopped a run that is over", _backtest),
    "score": ("say whether a text has gone wrong, how and where", _score),
    "grade": ("let people grade a run's samples blindly, and read what they say", _grade),
    "runs": ("list the runs of a folder", _runs),
    "dashboard": ("follow the runs of a folder in a browser", _dashboard),
    "verify": ("check that a run's records are whole and unchanged", _verify),
    "mix": ("show the mix of sources of a run, or change it while the run goes on", _mix),
    "compare": ("find the first step at which two runs differ", _compare),
    "sample": ("let a checkpoint speak", _sample),
    "chat": ("talk to a checkpoint", _chat),
    "bench": ("run one of the project's benchmarks", _bench),
}


def _config(command: Parser) -> None:
    command.add_argument("config", type=Path, metavar="CONFIG", help="the run file, TOML")
    _set(command)


def _set(command: Parser) -> None:
    command.add_argument(
        "--set", action="append", default=[], metavar="a.b=VALUE", help="change one value of the run file"
    )


def _run(command: Parser) -> None:
    command.add_argument("run", metavar="RUN", help="a run folder, or its id, or the beginning of it")


def _runs_dir(command: Parser) -> None:
    command.add_argument(
        "--runs", type=Path, default=Path("runs"), metavar="DIR", help="runs folder (default: runs)"
    )


def _json(command: Parser) -> None:
    command.add_argument(
        "--json", action="store_true", help="print the result as JSON; everything else goes to stderr"
    )


def _share_cores() -> None:
    """Let waiting threads sleep: spinning ones slow a step tenfold where other programs need the cores too."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _hide_foreign_bars() -> None:
    """Keep the progress bars of downloads and loading to terminals: a log is made of lines."""
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def _complain(sentence: str) -> None:
    print("twosignal:", " ".join(sentence.splitlines()), file=sys.stderr)


def _drop_stdout() -> None:
    """Whoever read our output has gone: what is still in the buffer must not raise again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report() -> int:
    """Write the traceback to a file and say where it is."""
    with tempfile.NamedTemporaryFile("w", prefix="twosignal-", suffix=".txt", delete=False) as file:
        file.write(f"{' '.join(sys.argv)}\n\n{traceback.format_exc()}")
    last = traceback.format_exc().strip().splitlines()[-1]
    _complain(f"a fault of ours: {last}. The report is in {file.name}; please send it.")
    return 1

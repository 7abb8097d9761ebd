"""The command line: takes arguments, gives an exit code. Each command imports its room only when it is chosen.

Exit codes: 0 done; 1 our fault, with the path of a report; 2 the user's input; 3 halted by the gate;
4 refused by the proof; 130 interrupted, state saved.
"""

import argparse
import importlib
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from twosignal.errors import TwosignalError

Parser = argparse.ArgumentParser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; no input of a user ends in a traceback."""
    options = parser().parse_args(arguments)
    try:
        module = importlib.import_module(f"twosignal.commands.{options.module}")
        code: int = module.run(options)
    except TwosignalError as error:
        print(f"twosignal: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("twosignal: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
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
    command.add_argument("--no-dashboard", action="store_true", help="do not serve the live pages")
    _json(command)


def _train(command: Parser) -> None:
    _config(command)
    _runs_dir(command)
    command.add_argument(
        "--resume",
        default="never",
        metavar="auto|never|RUN",
        help="auto: go on with the newest unfinished run of this run file, else start one; never (default): "
        "start a new run; RUN: go on with that one",
    )
    _json(command)


def _prove(command: Parser) -> None:
    command.add_argument(
        "config", metavar="CONFIG|RUN", help="a run file, or a run whose proof is to be repeated"
    )
    _set(command)
    _runs_dir(command)
    _json(command)


def _show(command: Parser) -> None:
    _config(command)
    command.add_argument("--source", metavar="S", help="only this source")
    command.add_argument("-n", type=int, default=3, metavar="N", help="how many of each source (default: 3)")
    command.add_argument("--packed", action="store_true", help="show packed rows, segment by segment")
    command.add_argument("--html", type=Path, metavar="FILE", help="write a page instead")
    _runs_dir(command)
    _json(command)


def _audit(command: Parser) -> None:
    _run(command)
    command.add_argument("--steps", metavar="A:B", help="window of steps (default: the newest)")
    _runs_dir(command)
    _json(command)


def _runs(command: Parser) -> None:
    command.add_argument(
        "runs", type=Path, nargs="?", default=Path("runs"), metavar="RUNS_DIR", help="default: runs"
    )
    _json(command)


def _compare(command: Parser) -> None:
    command.add_argument("run_a", metavar="RUN_A")
    command.add_argument("run_b", metavar="RUN_B")
    _runs_dir(command)
    _json(command)


def _sample(command: Parser) -> None:
    _run(command)
    command.add_argument("prompt", nargs="?", metavar="PROMPT", help="default: the run's own panel")
    command.add_argument("-n", type=int, default=1, metavar="N", help="samples of each prompt (default: 1)")
    command.add_argument("--tokens", type=int, default=200, metavar="T", help="longest answer (default: 200)")
    command.add_argument("--temperature", type=float, default=0.8, metavar="T", help="default: 0.8")
    command.add_argument("--seed", type=int, default=0, metavar="S", help="default: 0")
    command.add_argument(
        "--step", type=int, metavar="K", help="checkpoint of this step (default: the newest)"
    )
    _runs_dir(command)
    _json(command)


def _chat(command: Parser) -> None:
    _run(command)
    command.add_argument("--temperature", type=float, default=0.8, metavar="T", help="default: 0.8")
    command.add_argument("--seed", type=int, default=0, metavar="S", help="default: 0")
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
    "audit": ("read a run's samples and say what they mean", _audit),
    "runs": ("list the runs of a folder", _runs),
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


def _report() -> int:
    """Write the traceback to a file and say where it is."""
    with tempfile.NamedTemporaryFile("w", prefix="twosignal-", suffix=".txt", delete=False) as file:
        file.write(f"{' '.join(sys.argv)}\n\n{traceback.format_exc()}")
    last = traceback.format_exc().strip().splitlines()[-1]
    print(
        f"twosignal: a fault of ours: {last}. The report is in {file.name}; please send it.", file=sys.stderr
    )
    return 1

"""The options of `twosignal grade ACTION`: takes each action's parser, adds what it can be given besides the run."""

from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

from twosignal.commands.arguments import count, hours, port, seconds, seed


def _grade_export(command: ArgumentParser) -> None:
    command.add_argument(
        "-n", dest="num_samples", type=count, default=40, metavar="N", help="samples to draw (default: 40)"
    )
    command.add_argument("--steps", metavar="A:B", help="only samples of these steps (default: all)")
    command.add_argument("--seed", type=seed, default=0, metavar="S", help="draws the samples (default: 0)")
    command.add_argument(
        "--controls",
        metavar="PATH",
        help="texts known to be good: a file, folder or builtin:NAME (default: what the run held out)",
    )
    command.add_argument("--out", type=Path, metavar="FILE", help="write the page here, too")


def _grade_import(command: ArgumentParser) -> None:
    command.add_argument("files", nargs="+", metavar="FILE", help="what graders saved from the page")
    command.add_argument("--partial", action="store_true", help="take files in which items are not graded")


def _grade_report(command: ArgumentParser) -> None:
    _bundle(command, "the newest with grades")
    command.add_argument("--html", type=Path, metavar="FILE", help="write the results as a page, too")


def _grade_judge(command: ArgumentParser) -> None:
    _bundle(command, "the newest")
    command.add_argument(
        "--url", required=True, metavar="URL", help="base address, for example http://localhost:8000/v1"
    )
    command.add_argument("--model", required=True, metavar="NAME", help="name of the model there")
    command.add_argument("--key-env", metavar="VARIABLE", help="environment variable that holds the key")
    command.add_argument(
        "--timeout", type=seconds, default=60.0, metavar="S", help="longest wait for an answer (default: 60)"
    )


def _grade_serve(command: ArgumentParser) -> None:
    _bundle(command, "the newest")
    who = command.add_mutually_exclusive_group()
    who.add_argument("--graders", metavar="A,B,C", help="names of those to invite, commas between them")
    who.add_argument("--invite", type=count, metavar="N", help="invite N graders, called Grader 1 to N")
    command.add_argument(
        "--renew", action="append", default=[], metavar="NAME", help="make a new link for this grader"
    )
    command.add_argument(
        "--hours", type=hours, default=72.0, metavar="H", help="how long new links work (default: 72)"
    )
    command.add_argument(
        "--host", default="127.0.0.1", metavar="H", help="address to listen at (default: 127.0.0.1)"
    )
    command.add_argument(
        "--port", type=port, default=8770, metavar="P", help="port, or the next free one (default: 8770)"
    )
    command.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a name that graders reach it by"
    )


def _bundle(command: ArgumentParser, default: str) -> None:
    command.add_argument(
        "--bundle", metavar="NAME", help=f"a bundle's name or its beginning (default: {default})"
    )


GRADING: dict[str, tuple[str, Callable[[ArgumentParser], None]]] = {
    "export": ("write a blind page of a run's samples for readers outside, its key sealed", _grade_export),
    "serve": ("serve the blind page to invited graders, each by a link of their own", _grade_serve),
    "import": ("take the files that readers saved", _grade_import),
    "report": ("say how far readers agree, and what they say beside loss and texts", _grade_report),
    "judge": ("let a model behind an OpenAI-compatible endpoint grade as well", _grade_judge),
}
"""Help and options of every action."""

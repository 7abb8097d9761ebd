"""`twosignal bench NAME`: takes a benchmark's name and arguments, runs it; the benchmarks come with the repository."""

import ast
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

from twosignal.commands.console import console_for
from twosignal.errors import InputError

FOLDER = Path(__file__).resolve().parents[3] / "bench"


def run(options: Namespace) -> int:
    """Run the command; without a name, list the benchmarks."""
    known = {path.stem: path for path in sorted(FOLDER.glob("*.py"))}
    if not known:
        message = "the benchmarks are not installed with the package"
        raise InputError(message, where=str(FOLDER), remedy="Run this from a checkout of the repository.")
    if options.name is None:
        console = console_for(options)
        for name, path in known.items():
            sentence = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").splitlines()[0]
            console.print(f"{name:14} {sentence}", soft_wrap=True)
        return 0
    if options.name not in known:
        message = f"there is no benchmark {options.name!r}"
        raise InputError(message, where="bench", expected=", ".join(known))
    return subprocess.run([sys.executable, str(known[options.name]), *options.rest], check=False).returncode

"""Every command says what it does without importing what it needs to do it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import Command
from twosignal.cli import COMMANDS

ALL_HELP = """
import contextlib, io, json, sys
from twosignal.cli import COMMANDS, main
codes = []
for name in COMMANDS:
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            main([name, "--help"])
        except SystemExit as ending:
            codes.append(ending.code)
heavy = [name for name in ("torch", "transformers", "numpy", "pydantic", "rich") if name in sys.modules]
print(json.dumps({"codes": codes, "heavy": heavy}))
"""


def test_help_of_no_command_imports_anything_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", ALL_HELP], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"codes": [0] * len(COMMANDS), "heavy": []}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_documents_its_options(command: Command, name: str) -> None:
    ended = command(name, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"usage: twosignal {name} ")
    assert "--help" in ended.out


def test_the_list_of_commands_names_the_exit_codes(command: Command) -> None:
    ended = command("--help")
    assert ended.code == 0
    assert all(name in ended.out for name in COMMANDS)
    text = " ".join(ended.out.split())
    assert "0 done, 1 our fault, 2 wrong input, 3 halted by the gate, 4 refused by the proof" in text


@pytest.mark.parametrize(
    "program", [["-m", "twosignal"], ["-c", "import sys, twosignal.cli as c; sys.exit(c.main())"]]
)
def test_the_exit_code_reaches_the_shell(tmp_path: Path, program: list[str]) -> None:
    words = [sys.executable, *program, "runs", "nowhere"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr == "twosignal: nowhere: there is no such folder. Give the folder that holds the runs.\n"
    )


def test_a_reader_that_has_gone_is_no_error(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "twosignal", "runs", str(tmp_path)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == ""
    assert process.wait() == 0

"""Fixtures of whole commands: takes nothing, gives a tiny corpus, a run trained on it once, and a way to give commands."""

from collections.abc import Callable
from pathlib import Path

import pytest
from transformers.utils import logging

from tests.end_to_end.processes import Ended
from tests.end_to_end.toy import Toy, trained_toy, visible, write_toy
from twosignal.cli import main

Command = Callable[..., Ended]


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    """A run file with its data, to be spoiled by one test alone."""
    return write_toy(tmp_path / "project")


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """A run that nothing disturbed, trained once for all tests that only read it."""
    return trained_toy(tmp_path_factory.getbasetemp())


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str]) -> Command:
    """Give a command in this process, which may have imported everything already."""
    # A process whose stderr is no terminal shows no foreign bars, if told so before it imports transformers.
    logging.disable_progress_bar()

    def give(*arguments: object) -> Ended:
        capfd.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as ending:
            code = int(ending.code or 0)
        out, err = capfd.readouterr()
        return Ended(code=code, out=out, err=err)

    return give


def train(command: Command, run_file: Path, *options: object) -> Ended:
    """Train in this process, with the runs beside the run file."""
    return command("train", run_file, "--runs", run_file.parent / "runs", *options)


def refused(ended: Ended, runs_dir: Path, *, code: int = 2) -> str:
    """Return the one sentence of a command that refused, and left no run behind."""
    assert ended.code == code, ended.err
    assert "Traceback" not in ended.out
    assert visible(runs_dir) == []
    return ended.sentence

"""The public names and their signatures are pinned: changing them is a decision, not an accident."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import twosignal
from twosignal.errors import ConfigError

SIGNATURES = {
    "StepLog": ["path", "columns"],
    "TwoSignalCallback": ["action", "runs"],
    "audit": ["run", "steps"],
    "backtest": ["path", "rules", "runs_dir"],
    "open_run": ["run", "runs_dir"],
    "prove": ["config", "settings", "runs_dir"],
    "prove_trainer": ["trainer", "dataset", "quiet"],
    "read_log": ["path"],
    "score": ["text", "prompt"],
    "train": ["config", "settings", "runs_dir"],
}


def test_the_public_names_are_these() -> None:
    assert sorted(twosignal.__all__) == sorted(SIGNATURES)


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_each_takes_what_it_took(name: str) -> None:
    public = getattr(twosignal, name)
    function = getattr(public, "function", public)
    assert list(inspect.signature(function).parameters) == SIGNATURES[name]
    assert function.__doc__


def test_importing_the_package_costs_nothing() -> None:
    code = "import sys, twosignal; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_rooms_are_called_like_their_commands(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such run file"):
        twosignal.train(tmp_path / "absent.toml")
    with pytest.raises(ConfigError, match="there is no such run file"):
        twosignal.prove(tmp_path / "absent.toml")


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = twosignal.trian

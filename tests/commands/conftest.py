"""Fixtures of the commands: those of the end-to-end tests, so that one trained run serves both."""

from tests.end_to_end.conftest import command, run_file, toy

__all__ = ["command", "run_file", "toy"]

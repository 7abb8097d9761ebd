"""Fixtures for all tests: takes nothing, gives the folder of real data, or skips where it is absent."""

import os
from pathlib import Path

import pytest

# Hundreds of short runs need no live pages; tests of the pages start them themselves.
os.environ["TWOSIGNAL_DASHBOARD"] = "off"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with the real dialogues and books, beside the repository."""
    folder = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real data is not on this machine: {folder} is absent")
    return folder

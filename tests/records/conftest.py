"""What these tests share: takes a temporary folder, gives writers and the contents of run folders."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from twosignal.records.writer import RunWriter

from .toy_trainer import open_writer


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[RunWriter]:
    with open_writer(tmp_path) as opened:
        yield opened

"""The names of checkpoints say when they were saved."""

from pathlib import Path

import pytest

from twosignal.records.saved import Place, place_of, saved_checkpoints


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("step-00000120", (0, 120)),
        ("step-123456789", (0, 123456789)),
        ("step-00000120-r2", (2, 120)),
        ("step-00000120-r10", (10, 120)),
    ],
)
def test_a_name_is_a_place_and_back(name: str, place: tuple[int, int]) -> None:
    assert place_of(name) == place
    assert Place(*place).name == name


@pytest.mark.parametrize(
    "name", ["step-120", "step-00000120-r0", "step-00000120-", ".step-00000120.partial", "best"]
)
def test_other_names_are_none(name: str) -> None:
    assert place_of(name) is None


def test_checkpoints_come_in_the_order_of_time(tmp_path: Path) -> None:
    names = ["step-00000090", "step-00000100", "step-100000000", "step-00000010-r1", "step-00000010-r10"]
    for name in reversed(names):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    (tmp_path / "checkpoints" / "step-00000001").write_text("a file is no checkpoint")
    assert [path.name for path in saved_checkpoints(tmp_path)] == names
    assert saved_checkpoints(tmp_path / "nowhere") == []

"""Whether a run's checkpoints fit is known before step one: sizes by hand, and a disk that is too small."""

from pathlib import Path

import pytest
import torch

from tests.train.small import small_setup
from twosignal.errors import StorageError
from twosignal.train import space
from twosignal.train.space import check_space, checkpoint_bytes, held_bytes, in_words


class Weights(torch.nn.Module):
    """Ten numbers that move, four that do not, and two that are no weights; tied once."""

    def __init__(self) -> None:
        super().__init__()
        self.moved = torch.nn.Parameter(torch.zeros(10))
        self.tied = self.moved
        self.still = torch.nn.Parameter(torch.zeros(4, dtype=torch.float64), requires_grad=False)
        self.register_buffer("seen", torch.zeros(2))


def test_a_checkpoint_is_weights_and_two_moments_of_what_moves() -> None:
    # 40 bytes of weights and 80 of their moments, 32 that stand still, 8 of the buffer.
    assert checkpoint_bytes(Weights()) - space.BESIDE_BYTES == 40 + 80 + 32 + 8


@pytest.mark.parametrize(
    ("num_bytes", "words"),
    [(7, "7 bytes"), (4_000, "4 kB"), (1_200_000, "1.2 MB"), (3_500_000_000, "3.5 GB"), (2e15, "2,000.0 TB")],
)
def test_sizes_are_told_in_words(num_bytes: int, words: str) -> None:
    assert in_words(num_bytes) == words


def test_the_size_is_said_and_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setup, said = small_setup(tmp_path), list[str]()
    monkeypatch.setattr(space, "checkpoint_bytes", lambda _: 100_000_000)
    monkeypatch.setattr(space, "free_bytes", lambda _: 10_000_000_000)
    check_space(setup, tmp_path / "runs", say=said.append)
    most = space.retention_of(setup.config).most(setup.steps)
    assert said[0].startswith(
        f"checkpoints: about 100.0 MB each, at most {most} kept and one for each verdict"
    )
    assert said[0].endswith("10.0 GB free")
    monkeypatch.setattr(space, "free_bytes", lambda _: 100_000_000 * most - 1)
    with pytest.raises(StorageError, match=r"do not fit on the disk .*Free some space, .*checkpoints\.keep"):
        check_space(setup, tmp_path / "runs", say=said.append)
    held = tmp_path / "runs" / "checkpoints" / "step-00000001"
    held.mkdir(parents=True)
    (held / "model.safetensors").write_bytes(b"0")
    assert held_bytes(tmp_path / "runs") == 1
    check_space(setup, tmp_path / "runs", say=said.append)

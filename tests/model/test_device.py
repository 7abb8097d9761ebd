"""The run file's words become a device and a precision."""

import platform

import pytest
import torch

from twosignal.errors import ConfigError
from twosignal.model.device import autocast_dtype, pick_device

CPU = torch.device("cpu")


def test_auto_takes_cuda_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto") == torch.device("cuda")
    assert pick_device("cuda:1") == torch.device("cuda:1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == CPU
    assert pick_device("cpu") == CPU


@pytest.mark.parametrize("name", ["gpu", "tpu", "cuda:x", ""])
def test_an_unknown_device_is_an_error_that_names_the_known(name: str) -> None:
    with pytest.raises(ConfigError, match="expected cpu, cuda, or auto"):
        pick_device(name)


def test_cuda_on_a_machine_without_it_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="no CUDA device on this machine"):
        pick_device("cuda")


@pytest.mark.parametrize(
    ("bf16", "amx", "expected"),
    [(False, False, None), (True, False, torch.bfloat16), (False, True, torch.bfloat16)],
)
def test_auto_takes_bfloat16_where_the_cpu_computes_in_it(
    monkeypatch: pytest.MonkeyPatch, bf16: bool, amx: bool, expected: torch.dtype | None
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert autocast_dtype("auto", CPU) == expected
    assert autocast_dtype("float32", CPU) is None
    assert autocast_dtype("bfloat16", CPU) == torch.bfloat16


def test_a_mac_stays_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    assert autocast_dtype("auto", CPU) is None

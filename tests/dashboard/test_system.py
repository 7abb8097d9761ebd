import types
from pathlib import Path

import pytest

from twosignal.dashboard.gpus import NO_LIBRARY, Gpus
from twosignal.dashboard.system import System


class FakeNvml(types.ModuleType):
    """One card without a fan that draws 360 watts."""

    NVMLError = OSError
    NVML_TEMPERATURE_GPU = 0

    def __init__(self) -> None:
        super().__init__("fake_nvml")
        self.nvmlInit = lambda: None
        self.nvmlDeviceGetCount = lambda: 1
        self.nvmlDeviceGetHandleByIndex = lambda number: number
        self.nvmlDeviceGetName = lambda _: b"Card"
        self.nvmlDeviceGetUtilizationRates = lambda _: types.SimpleNamespace(gpu=80)
        self.nvmlDeviceGetMemoryInfo = lambda _: types.SimpleNamespace(used=1, total=2)
        self.nvmlDeviceGetPowerUsage = lambda _: 360_000
        self.nvmlDeviceGetPowerManagementLimit = lambda _: 700_000
        self.nvmlDeviceGetTemperature = lambda *_: 50
        self.nvmlDeviceGetTotalEnergyConsumption = lambda _: 5_000

    def nvmlDeviceGetFanSpeed(self, _: object) -> int:  # noqa: N802 (its name there)
        raise OSError("not supported")


def test_energy_and_cost_are_power_over_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fake_nvml", FakeNvml())
    now = [1000.0]
    system = System(disk=tmp_path, gpus=Gpus("fake_nvml"), clock=lambda: now[0])
    assert system.told()["energy"]["kwh"] == 0.0
    now[0] += 100.0
    told = system.told()
    # 360 watts over 100 seconds are 36 kJ, a hundredth of a kilowatt-hour.
    assert told["energy"]["kwh"] == pytest.approx(0.01)
    assert told["energy"]["cost"] == pytest.approx(0.0031)
    assert told["gpus"][0]["name"] == "Card"
    assert told["gpus"][0]["fan_percent"] is None
    assert told["missing"]["gpus[0].fan_percent"] == "no such sensor"
    assert told["history"]["power_w"] == [360.0, 360.0]
    assert told["history"]["gpu_utilization"] == [80.0, 80.0]


def test_what_cannot_be_measured_is_said(tmp_path: Path) -> None:
    told = System(disk=tmp_path, gpus=Gpus("no_such_library")).told()
    assert told["gpus"] == []
    assert told["missing"]["gpus"] == NO_LIBRARY
    assert told["energy"]["kwh"] is None
    assert told["history"]["power_w"] == [None]

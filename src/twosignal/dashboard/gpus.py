"""The graphics cards: takes NVIDIA's management library where it is installed, gives what every card's sensors say."""

import importlib
from collections.abc import Callable
from typing import Any, Final

NO_LIBRARY: Final = "nvidia-ml-py is not installed: pip install twosignal[gpu]"
NO_DRIVER: Final = "no NVIDIA driver on this machine"
NO_SENSOR: Final = "no such sensor"


class Gpus:
    """Every card of the machine; none, and the reason, where they cannot be asked."""

    def __init__(self, library: str = "pynvml") -> None:
        """Open the cards; `library` names the module to ask."""
        self.reason = ""
        """Why there are none; empty when there are some."""
        self._cards: list[Any] = []
        try:
            self._nvml: Any = importlib.import_module(library)
        except ImportError:
            self.reason = NO_LIBRARY
            return
        try:
            self._nvml.nvmlInit()
            self._cards = [
                self._nvml.nvmlDeviceGetHandleByIndex(i) for i in range(self._nvml.nvmlDeviceGetCount())
            ]
        except self._nvml.NVMLError:
            self.reason = NO_DRIVER
        if not self._cards:
            self.reason = self.reason or "no NVIDIA card in this machine"

    def told(self, missing: dict[str, str]) -> list[dict[str, Any]]:
        """Return the figures of every card; what a card cannot tell is None and gets its reason in `missing`."""
        if self.reason:
            missing["gpus"] = self.reason
        return [self._card(number, card, missing) for number, card in enumerate(self._cards)]

    def _card(self, number: int, card: Any, missing: dict[str, str]) -> dict[str, Any]:  # noqa: ANN401 (a C handle)
        nvml = self._nvml
        asked: dict[str, Callable[[], Any]] = {
            "name": lambda: _text(nvml.nvmlDeviceGetName(card)),
            "utilization": lambda: nvml.nvmlDeviceGetUtilizationRates(card).gpu,
            "memory_used": lambda: nvml.nvmlDeviceGetMemoryInfo(card).used,
            "memory_total": lambda: nvml.nvmlDeviceGetMemoryInfo(card).total,
            "power_w": lambda: nvml.nvmlDeviceGetPowerUsage(card) / 1000,
            "power_limit_w": lambda: nvml.nvmlDeviceGetPowerManagementLimit(card) / 1000,
            "temperature_c": lambda: nvml.nvmlDeviceGetTemperature(card, nvml.NVML_TEMPERATURE_GPU),
            "fan_percent": lambda: nvml.nvmlDeviceGetFanSpeed(card),
            "energy_j": lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(card) / 1000,
        }
        figures: dict[str, Any] = {}
        for name, ask in asked.items():
            try:
                figures[name] = ask()
            except nvml.NVMLError:
                figures[name] = None
                missing[f"gpus[{number}].{name}"] = NO_SENSOR
        return figures


def _text(name: str | bytes) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name

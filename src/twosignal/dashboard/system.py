"""How the machine is doing: takes its sensors, gives load, memory, power, energy and cost, and why a figure is missing."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from twosignal.dashboard.gpus import Gpus

EVERY_SECONDS: Final = 5.0
MOST_POINTS: Final = 720
"""Points of the history: an hour."""
NO_SENSOR: Final = "no such sensor"
_JOULES_PER_KWH: Final = 3.6e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What electricity costs."""

    per_kwh: float = 0.31
    """Price of a kilowatt-hour."""
    currency: str = "USD"
    """What it is paid in."""


@dataclass(slots=True, kw_only=True)
class System:
    """The machine, looked at now and then."""

    disk: Path
    """The folder whose disk is watched."""
    tariff: Tariff = field(default_factory=Tariff)
    """What electricity costs."""
    gpus: Gpus = field(default_factory=Gpus)
    """Its graphics cards."""
    clock: Callable[[], float] = time.time
    """Unix time in seconds."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _since: float = 0.0
    _joules: float = 0.0
    _newest: dict[str, Any] = field(default_factory=dict)
    _history: deque[tuple[float, ...]] = field(default_factory=lambda: deque(maxlen=MOST_POINTS))

    def period(self) -> int:
        """Return the number of the 5 seconds that it is; figures change from one to the next."""
        return int(self.clock() // EVERY_SECONDS)

    def told(self) -> dict[str, Any]:
        """Return the figures of the machine, at most 5 seconds old."""
        now = self.clock()
        with self._lock:
            if not self._newest or self.period() != int(self._newest["time"] // EVERY_SECONDS):
                self._look(now)
            return self._newest

    def _look(self, now: float) -> None:
        missing: dict[str, str] = {}
        host, cards = _host(self.disk, missing), self.gpus.told(missing)
        power = [card["power_w"] for card in cards if card["power_w"] is not None]
        self._since = self._since or now
        if self._newest:
            self._joules += sum(power) * (now - self._newest["time"])
        self._history.append(
            (
                now,
                host["cpu_percent"],
                host["memory_used"],
                _mean(cards, "utilization"),
                sum(power) if power else -1.0,
            )
        )
        self._newest = {
            "time": now,
            "host": host,
            "gpus": cards,
            "missing": missing
            | ({} if power else {"energy": "no power sensor: energy and cost are not known"}),
            "energy": self._energy(is_known=bool(power)),
            "history": self._columns(),
        }

    def _energy(self, *, is_known: bool) -> dict[str, Any]:
        kwh = self._joules / _JOULES_PER_KWH
        return {
            "kwh": kwh if is_known else None,
            "cost": kwh * self.tariff.per_kwh if is_known else None,
            "currency": self.tariff.currency,
            "per_kwh": self.tariff.per_kwh,
            "since": self._since,
            "of": ["gpu"] if is_known else [],
        }

    def _columns(self) -> dict[str, list[float | None]]:
        names = ("time", "cpu_percent", "memory_used", "gpu_utilization", "power_w")
        columns = zip(*self._history, strict=True)
        return {
            name: [None if value < 0 else value for value in column]
            for name, column in zip(names, columns, strict=True)
        }


def _host(disk: Path, missing: dict[str, str]) -> dict[str, Any]:
    memory, room = psutil.virtual_memory(), psutil.disk_usage(str(disk))
    return {
        "cpu_percent": psutil.cpu_percent(),
        "load": list(psutil.getloadavg()),
        "cores": psutil.cpu_count(),
        "memory_used": memory.total - memory.available,
        "memory_total": memory.total,
        "disk_used": room.used,
        "disk_total": room.total,
        "temperature_c": _temperature(missing),
    }


def _temperature(missing: dict[str, str]) -> float | None:
    """Return the temperature of the hottest core in degrees Celsius."""
    sensors: dict[str, list[Any]] = getattr(psutil, "sensors_temperatures", dict)()
    found = [one.current for group in sensors.values() for one in group if one.current]
    if not found:
        missing["host.temperature_c"] = NO_SENSOR
    return max(found, default=None)


def _mean(cards: list[dict[str, Any]], name: str) -> float:
    """Return the mean of a figure over the cards that tell it; -1 where none does."""
    found = [card[name] for card in cards if card[name] is not None]
    return sum(found) / len(found) if found else -1.0

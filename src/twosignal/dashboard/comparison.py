"""Two runs side by side: takes their views, gives where they part, which settings differ, and which curves both have."""

from collections.abc import Iterator, Mapping
from typing import Any

from twosignal.dashboard.encoding import finite
from twosignal.dashboard.overview import run_line, series_names
from twosignal.dashboard.view import RunView
from twosignal.records.compare import compare


def comparison(a: RunView, b: RunView) -> dict[str, Any]:
    """Return what is the same in two runs and what is not; raise RunError where the records cannot be read."""
    lines = [run_line(view) for view in (a, b)]
    flat = [dict(_flat(view.run.config)) for view in (a, b)]
    keys = sorted({*flat[0], *flat[1]} - _OWN)
    names = [[one["name"] for one in series_names(v.curves, v.notes, track=v.track())] for v in (a, b)]
    return {
        "a": lines[0],
        "b": lines[1],
        **compare(a.run, b.run).as_dict(),
        "config": finite(
            [
                {"key": key, "a": flat[0].get(key), "b": flat[1].get(key)}
                for key in keys
                if flat[0].get(key) != flat[1].get(key)
            ]
        ),
        "series": [name for name in names[0] if name in names[1]],
    }


_OWN = {"run.name", "resolved.config"}


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value of a run file with its dotted name."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value

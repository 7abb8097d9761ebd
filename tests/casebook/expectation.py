"""What a case expects: takes a value and one expectation of a case file, gives the sentence that it is missed by, or None.

at = "checks.texts[0].tier"    where to look; [*] looks at every item, and the values found become a list
is = ...                       equal
near = 2.5, within = 0.01      a number
has = ...                      a list holds it, or a text contains it
lacks = ...                    the opposite
at_least = ..., at_most = ...  bounds
count = 3                      how many are found
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_PART = re.compile(r"([^.\[\]]+)|\[(\d+|\*)\]")


def missed(value: object, expectation: Mapping[str, Any]) -> str | None:
    """Return how a value misses an expectation."""
    place = str(expectation.get("at", ""))
    found: Any = list(look(value, place)) if "[*]" in place else next(look(value, place))
    checks = {name: _TESTS[name] for name in expectation if name in _TESTS}
    unknown = expectation.keys() - _TESTS.keys() - {"at", "within", "why"}
    assert checks, f"an expectation that cannot fail: {expectation}"
    assert not unknown, f"no such test: {unknown}"
    for name, test in checks.items():
        if not test(found, expectation):
            return f"{place or 'the output'} is {str(found)[:600]!r}, expected {name} {expectation[name]!r}"
    return None


def look(value: Any, place: str) -> Iterator[Any]:
    """Yield what stands at a place."""
    found = [value]
    for match in _PART.finditer(place):
        key, index = match.groups()
        if index == "*":
            found = [item for one in found for item in one]
        else:
            found = [one[int(index)] if index else one[key] for one in found]
    yield from found


NOTHING = "none"
"""How a case file writes null, which TOML lacks."""

_TESTS: dict[str, Callable[[Any, Mapping[str, Any]], bool]] = {
    "is": lambda found, e: found is None if e["is"] == NOTHING else found == e["is"],
    "near": lambda found, e: found is not None and abs(found - e["near"]) <= e["within"],
    "has": lambda found, e: e["has"] in found,
    "lacks": lambda found, e: e["lacks"] not in found,
    "at_least": lambda found, e: found is not None and found >= e["at_least"],
    "at_most": lambda found, e: found is not None and found <= e["at_most"],
    "count": lambda found, e: len(found) == e["count"],
}

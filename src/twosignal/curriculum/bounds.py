"""Shares between bounds: takes weights, a least and a largest share per source, gives shares that sum to 1."""

from collections.abc import Collection, Mapping

from twosignal.curriculum.policy import Shares

Bounds = Mapping[str, tuple[float, float]]
"""Least and largest share of the rows, by source."""
TINY = 1e-12
"""What rounding may add up to."""


def fit(weights: Mapping[str, float], bounds: Bounds, *, spare: Mapping[str, float]) -> Shares:
    """Return shares that follow the weights as far as the bounds allow.

    Every share is scale x weight, held between its bounds, with the one scale at which the shares sum to 1.
    What is left when every source with a weight stands at its largest share goes to the others, by `spare`.
    The bounds must leave room: least shares sum to at most 1, largest to at least 1 (see `relaxed`).
    """
    shares = _stretched(weights, bounds)
    if sum(shares.values()) < 1 - TINY:
        above = {name: (shares[name], high) for name, (_, high) in bounds.items()}
        shares = _stretched(spare, above)
    return shares


def _stretched(weights: Mapping[str, float], bounds: Bounds) -> Shares:
    """Scale the weights to a sum of 1; sources that the scale takes past a bound are settled there, and the rest scaled anew.

    Of the two kinds of bound, the one that is passed by more in total is settled first (as CSS resolves the lengths of
    flexible boxes), so that no source is settled that a later scale would have left free.
    """
    shares = {name: low for name, (low, _) in bounds.items()}
    free = [name for name in bounds if weights[name] > 0]
    while free:
        scale = (1 - sum(share for name, share in shares.items() if name not in free)) / sum(
            weights[name] for name in free
        )
        asked = {name: scale * weights[name] for name in free}
        lift = {name: bounds[name][0] - share for name, share in asked.items() if share < bounds[name][0]}
        cut = {name: share - bounds[name][1] for name, share in asked.items() if share > bounds[name][1]}
        if not lift and not cut:
            return shares | asked
        balance = sum(lift.values()) - sum(cut.values())
        settled = {name: bounds[name][0] for name in lift} if balance >= 0 else {}
        settled |= {name: bounds[name][1] for name in cut} if balance <= 0 else {}
        shares |= settled
        free = [name for name in free if name not in settled]
    return shares


def relaxed(bounds: Bounds, firm: Collection[str]) -> dict[str, tuple[float, float]]:
    """Return bounds that leave room: where they do not, those of other sources give way before those in `firm`.

    Least shares that sum to more than 1 are scaled down, largest shares that sum to less are scaled up; a largest
    share of 0 stays 0.
    """
    lows = _scaled({name: low for name, (low, _) in bounds.items()}, firm, too_much=True)
    highs = _scaled({name: high for name, (_, high) in bounds.items()}, firm, too_much=False)
    return {name: (min(lows[name], highs[name]), highs[name]) for name in bounds}


def _scaled(sides: dict[str, float], firm: Collection[str], *, too_much: bool) -> dict[str, float]:
    """Scale one side of the bounds to a sum of 1, the loose ones first, if it sums to too much or too little."""
    for names in ([name for name in sides if name not in firm], list(sides)):
        whole = sum(sides.values())
        if (whole <= 1 + TINY) if too_much else (whole >= 1 - TINY):
            return sides
        own = sum(sides[name] for name in names)
        wanted = max(0.0, 1 - (whole - own))
        if own:
            sides = sides | {name: min(1.0, sides[name] * wanted / own) for name in names}
    return sides

"""The mix of sources: takes each source's share of the rows, gives the source of every next row."""

from collections.abc import Mapping


class Mixer:
    """Chooses sources so that after any number of rows each has had its share, to within one row.

    Smooth weighted round-robin: every row credits each source with its share, the richest
    is drawn and pays one. Deterministic, and its state is plain data.
    """

    def __init__(self, source_shares: Mapping[str, float]) -> None:
        self.shares = dict(source_shares)
        self.credit = dict.fromkeys(source_shares, 0.0)

    def turn(self, source_shares: Mapping[str, float]) -> None:
        """Go on by other shares of the same sources; one without a share loses its credit, so that it is not drawn again."""
        self.shares = {name: source_shares[name] for name in self.shares}
        self.credit = {name: owed if self.shares[name] else 0.0 for name, owed in self.credit.items()}

    def choose(self) -> str:
        """Return the source of the next row; never one without a share."""
        for name, share in self.shares.items():
            self.credit[name] += share
        drawable = [name for name, share in self.shares.items() if share > 0]
        chosen = max(drawable, key=lambda name: self.credit[name])
        self.credit[chosen] -= 1.0
        return chosen

    def restore(self, credit: Mapping[str, float]) -> None:
        """Go on from the credits of a checkpoint; they must name the same sources."""
        if set(credit) != set(self.shares):
            message = f"mixer state is for {sorted(credit)}, the run has {sorted(self.shares)}"
            raise ValueError(message)
        self.credit = {name: credit[name] for name in self.shares}

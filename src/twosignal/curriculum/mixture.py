"""The mix of sources: takes a policy and row counts, gives each source's share of rows and the source of every next row."""

from collections.abc import Mapping

from twosignal.config import Config
from twosignal.errors import ConfigError


def shares(config: Config, num_rows: Mapping[str, int]) -> dict[str, float]:
    """Return each source's share of rows under the policy, floors applied; shares sum to 1.

    Raises ConfigError when floors sum above 1 or policy "fixed" lacks weights.
    """
    floors = {name: config.sources[name].floor for name in num_rows}
    if sum(floors.values()) > 1 + 1e-9:
        message = "the floors of all sources together exceed the whole"
        raise ConfigError(
            message, where="[sources]", found=f"sum {sum(floors.values()):.2f}", expected="at most 1"
        )
    return _lift(_weights(config, num_rows), floors)


def _weights(config: Config, num_rows: Mapping[str, int]) -> dict[str, float]:
    policy = config.curriculum.policy
    if policy == "uniform":
        raw = dict.fromkeys(num_rows, 1.0)
    elif policy == "fixed":
        raw = {name: config.sources[name].weight or 0.0 for name in num_rows}
        if not sum(raw.values()):
            message = 'policy "fixed" needs a weight above 0 for at least one source'
            raise ConfigError(message, where="[curriculum]", remedy="Add weight = ... to [sources.NAME].")
    else:
        raw = {name: float(rows) for name, rows in num_rows.items()}
    whole = sum(raw.values()) or 1.0
    return {name: weight / whole for name, weight in raw.items()}


def _lift(weights: dict[str, float], floors: Mapping[str, float]) -> dict[str, float]:
    """Raise sources to their floors and shrink the others alike, until none stands below its floor."""
    lifted: set[str] = set()
    while True:
        free = 1 - sum(floors[name] for name in lifted)
        rest = sum(weight for name, weight in weights.items() if name not in lifted)
        scaled = {
            name: floors[name] if name in lifted else (weight * free / rest if rest else 0.0)
            for name, weight in weights.items()
        }
        below = {name for name, share in scaled.items() if share < floors[name] - 1e-12}
        if not below:
            return scaled
        lifted |= below


class Mixer:
    """Chooses sources so that after any number of rows each has had its share, to within one row.

    Smooth weighted round-robin: every row credits each source with its share, the richest
    is drawn and pays one. Deterministic, and its state is plain data.
    """

    def __init__(self, source_shares: Mapping[str, float]) -> None:
        self.shares = dict(source_shares)
        self.credit = dict.fromkeys(source_shares, 0.0)

    def choose(self) -> str:
        """Return the source of the next row."""
        for name, share in self.shares.items():
            self.credit[name] += share
        chosen = max(self.credit, key=lambda name: self.credit[name])
        self.credit[chosen] -= 1.0
        return chosen

    def restore(self, credit: Mapping[str, float]) -> None:
        """Go on from the credits of a checkpoint; they must name the same sources."""
        if set(credit) != set(self.shares):
            message = f"mixer state is for {sorted(credit)}, the run has {sorted(self.shares)}"
            raise ValueError(message)
        self.credit = dict(credit)

"""How long the gate takes, and how often it is wrong: takes shares of degenerate samples, gives mean samples until it halts.

    python bench/gate_delay.py [--runs 2000] [--quiet-samples 2000000] [--seed 0]

Four rules on the same draws: the classic 5 in a row, 7 of the last 20, the plain CUSUM, and the rule of the gate as it is
(`audits/strikes.py`), which wants strikes at 5 samplings besides, with panels of 1, 2 and 4 prompts. The delay counts from
the moment at which a sound model goes wrong. The last column is the number of halts, and of samples, at a share of 2 %,
at which the model is as good as ever. The first rule's delay is known in closed form and printed beside.
"""

import argparse
import random
from collections.abc import Callable

from twosignal.audits.degeneration import Score, Signal
from twosignal.audits.sequential import Cusum, KOfN, mean_wait
from twosignal.audits.strikes import TextHistory

SHARES = (0.2, 0.3, 0.5, 0.8, 1.0)
QUIET = 0.02
PATIENCE = 5
LONGEST = 200_000
SOUND = Score(text="sound", degenerate=False, signals=())
STRIKE = Score(
    text="loop", degenerate=True, signals=(Signal(name="loop", value=1.0, span=(0, 4), reason="loop"),)
)

Wait = Callable[[float, random.Random, int], int]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=2000, help="runs per cell")
    parser.add_argument("--quiet-samples", type=int, default=2_000_000, help="samples at a share of 2 %%")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    shares = " | ".join(f"{share:.0%}" for share in SHARES)
    print(f"| rule | {shares} | halts at {QUIET:.0%} |\n|---|{'---|' * (len(SHARES) + 1)}")
    rules: dict[str, Wait] = {
        "5 in a row": lambda share, draw, most: counted(KOfN(k=5, n=5), share, draw, most=most),
        "7 of 20": lambda share, draw, most: counted(KOfN(k=7, n=20), share, draw, most=most),
        "CUSUM": lambda share, draw, most: counted(Cusum(), share, draw, most=most),
        "the gate, panel of 1": lambda share, draw, most: gated(1, share, draw, most=most),
        "the gate, panel of 2": lambda share, draw, most: gated(2, share, draw, most=most),
        "the gate, panel of 4": lambda share, draw, most: gated(4, share, draw, most=most),
    }
    for name, wait in rules.items():
        draw = random.Random(options.seed)
        delays = [
            sum(wait(share, draw, LONGEST) for _ in range(options.runs)) / options.runs for share in SHARES
        ]
        cells = " | ".join(f"{delay:,.1f}" for delay in delays)
        print(f"| {name} | {cells} | {halts(wait, draw, options.quiet_samples)} |", flush=True)
    known = " | ".join(f"{mean_wait(5, share):,.1f}" for share in SHARES)
    print(f"| 5 in a row, by its formula | {known} | 1 in {mean_wait(5, QUIET):,.0f} |")
    return 0


def counted(test: KOfN | Cusum, share: float, draw: random.Random, *, most: int) -> int:
    """Return after how many samples a test fires, or `most`."""
    for number in range(1, most + 1):
        test = test.after(draw.random() < share)
        if test.fires:
            return number
    return most


def gated(panel: int, share: float, draw: random.Random, *, most: int) -> int:
    """Return after how many samples the rule of the gate fires, for a model that has learned to speak, or `most`."""
    history = TextHistory(is_sound=True)
    for step in range(1, most // panel + 1):
        history = history.after(step, [STRIKE if draw.random() < share else SOUND for _ in range(panel)])
        if history.lasts(step, patience=PATIENCE):
            return step * panel
    return most


def halts(wait: Wait, draw: random.Random, num_samples: int) -> str:
    """Return how many halts there are among samples of a healthy model; the gate starts anew after each."""
    left, found = num_samples, 0
    while left > 0:
        waited = wait(QUIET, draw, left)
        left -= waited
        found += left > 0
    return f"{found} in {num_samples:,}"


if __name__ == "__main__":
    raise SystemExit(main())

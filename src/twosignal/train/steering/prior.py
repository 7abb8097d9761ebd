"""The mix that the bandit begins with: takes the prepared sources and the targets, gives samples of their text to count models.

The reported held-out rows are left out of the targets' samples: what the run is judged by chooses nothing.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from twosignal.curriculum.prior import Prior, Text, find_prior, sample_tokens
from twosignal.packs.prepare import PreparedSource
from twosignal.packs.store import ExampleStore
from twosignal.train.steering.target import Target

TARGET_TOKENS = 50_000
"""Tokens of a target's sample; held-out parts are rarely larger."""


def start_mix(
    sources: Mapping[str, PreparedSource], targets: Sequence[Target], *, run_tokens: int, vocabulary: int
) -> Prior | None:
    """Return the mix of sources that foretells the targets best, before anything is trained; None without a target."""
    if not targets:
        return None
    size = sample_tokens(run_tokens, len(sources))
    return find_prior(
        {name: training_text(source.store, size) for name, source in sources.items()},
        {target.name: target_text(target) for target in targets},
        weights={target.name: target.weight for target in targets},
        vocabulary=vocabulary,
    )


def training_text(store: ExampleStore, size: int) -> Text:
    """Return about `size` tokens of training examples, spread evenly over the source."""
    return _sampled(store, store.numbers(held_out=False), size)


def target_text(target: Target) -> Text:
    """Return what is held out for a target beyond its reported rows; those too where there is nothing else."""
    numbers = target.store.numbers(held_out=not target.is_file)
    reported = [segment.example for row in target.rows for segment in row.segments]
    rest = np.setdiff1d(numbers, reported)
    return _sampled(target.store, rest if len(rest) else numbers, TARGET_TOKENS)


def _sampled(store: ExampleStore, numbers: npt.NDArray[np.int64], size: int) -> Text:
    lengths = store.index["length"][numbers].astype(np.int64)
    stride = max(1, int(lengths.sum()) // size)
    chosen = [store[int(number)] for number in numbers[::stride]]
    if not chosen:
        return Text(ids=np.empty(0, np.int64), learned=np.empty(0, np.bool_))
    return Text(
        ids=np.concatenate([example.ids for example in chosen]).astype(np.int64),
        learned=np.concatenate([example.supervised for example in chosen]),
    )

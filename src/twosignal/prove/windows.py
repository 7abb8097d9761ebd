"""Cutting at several lengths: takes samples of the sources, gives S1's word on conversations longer than a row.

A cut must never forge the end of a turn, nor make anything a target that was none. S1 is a name
of the design's list of checks.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from twosignal.packs.cut import TooLong, cut
from twosignal.packs.pack import lay_row
from twosignal.packs.store import ExampleStore
from twosignal.prove.canary import CANARY_NAME
from twosignal.prove.receipt import Check, not_applicable
from twosignal.prove.rows import row_fault
from twosignal.prove.sample import Sample

Numbers = npt.NDArray[np.int64]

EXAMPLES = 24
"""Examples of each source that are cut."""
SHARES = (0.3, 0.6, 0.9)
"""Windows, as shares of the longest of them."""
WAYS: tuple[TooLong, ...] = ("cut-turns", "split", "drop")


def check_windows(samples: Sequence[Sample]) -> Check:
    """S1 at several windows: every piece is a stretch of its example with the same mask, and turns stay whole."""
    pieces = 0
    for store, numbers, window, way in _cuts(samples):
        found, sentence = _cut_fault(store, numbers, window, too_long=way)
        pieces += found
        if sentence:
            return _refusal(store.source, window, sentence=f"by {way}: {sentence}")
    if not pieces:
        return not_applicable("S1", CANARY_NAME, "there is no conversation to cut")
    message = f"{pieces:,} pieces cut at {len(SHARES)} lengths forge no end of turn"
    return Check(id="S1", name=CANARY_NAME, passed=True, message=message, evidence={"pieces": pieces})


def _cuts(samples: Sequence[Sample]) -> Iterator[tuple[ExampleStore, Numbers, int, TooLong]]:
    """Yield every store with the examples to cut, the length and the way."""
    for sample in samples:
        store = sample.source.store
        chosen = [n for record in sample.conversations for n in sample.numbers(record)][:EXAMPLES]
        longest = max((int(store.index["length"][n]) for n in chosen), default=0)
        for window in (max(8, int(longest * share)) for share in SHARES if chosen):
            yield from ((store, np.array(chosen, np.int64), window, way) for way in WAYS)


def _cut_fault(
    store: ExampleStore,
    numbers: Numbers,
    window: int,
    *,
    too_long: TooLong,
) -> tuple[int, str]:
    """Return the number of pieces, and what is wrong with one of them or with their sum; empty if nothing is."""
    cutting = cut(store, numbers, window, too_long=too_long)
    kept = 0
    for piece in cutting.pieces:
        number, start, length = int(piece["example"]), int(piece["start"]), int(piece["length"])
        example = store[number]
        pack = lay_row(store.source, [(number, start, length, example)])
        kept += pack.num_targets
        fault = row_fault(pack, store)
        if fault:
            return len(cutting.pieces), fault.sentence
        end = start + length
        is_cut = end < len(example.ids) and too_long == "cut-turns" and not example.supervised[1:].all()
        if is_cut and example.supervised[end]:
            return len(cutting.pieces), f"{example.origin} is cut within a learned turn"
    lost = sum(cutting.targets_lost.values())
    total = int(store.index["targets"][numbers].sum())
    told = f"{kept:,} targets kept and {lost:,} lost are not {total:,}"
    return len(cutting.pieces), "" if kept + lost == total else told


def _refusal(source: str, window: int, *, sentence: str) -> Check:
    return Check(
        id="S1",
        name=CANARY_NAME,
        passed=False,
        kind="wrong-targets",
        message=f"source {source}, cut at {window} tokens {sentence}",
        evidence={"source": source, "window": window},
        remedy="This is a fault of twosignal itself: please report it with this receipt.",
    )

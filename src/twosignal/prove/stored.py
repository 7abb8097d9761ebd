"""What is kept against what it was made from: takes samples of the sources, gives S7.

Tokenized data is kept between runs under a name that is a hash of all it depends on. The hash
is made again, and sampled records are rendered again. S7 is a name of the design's list of checks.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from twosignal.packs.prepare import label_code, source_fingerprint
from twosignal.prove.canary import Fault
from twosignal.prove.drawing import Made, draw
from twosignal.prove.receipt import Check, Kind
from twosignal.prove.sample import Sample
from twosignal.text.conversation import Conversation, Record
from twosignal.text.corpus import SourceReader
from twosignal.tokens.example import Example
from twosignal.tokens.tokenizer import Tokenizer

NAME = "kept tokens are those of this data, template and tokenizer"
MOST_HASHED = 2**30
"""Bytes of a source that are hashed a second time."""
_STALE = "Delete the folder .cache in the runs folder, and start again."


def check_store(samples: Sequence[tuple[Sample, SourceReader]], tokenizer: Tokenizer) -> Check:
    """S7: the store's name carries the hash of its inputs, and sampled records render to what is kept."""
    compared = hashed = 0
    for sample, reader in samples:
        source = sample.source
        size = sum(path.stat().st_size for path in reader.files)
        if size <= MOST_HASHED:
            hashed += 1
            now = source_fingerprint(reader, tokenizer)
            if now != source.fingerprint or not source.store.folder.name.endswith(f"{now}-{label_code()}"):
                return _renamed(source.store.folder.name, f"{source.name}-{now}-{label_code()}")
        for record in (*sample.conversations, *sample.others):
            fresh = [e for e in next(sample.renderer.render_each([record])) if e.num_targets]
            kept = [source.store[number] for number in sample.numbers(record)]
            if len(kept) > len(fresh) and not isinstance(record, Conversation):
                continue  # pieces of a document that begin on one line are not told apart
            compared += bool(kept)
            fault = _difference(tokenizer, fresh, kept)
            if fault:
                return _refusal(record, fault)
    message = f"{compared:,} records render to what is kept"
    if hashed:
        message += f"; {'every' if hashed == len(samples) else hashed} store bears the hash of its inputs"
    evidence = {"compared": compared, "hashed": hashed, "covers": _COVERS}
    return Check(id="S7", name=NAME, passed=True, message=message, evidence=evidence)


_COVERS = ["files", "tokenizer", "chat template", "the source's table", "format version", "label code"]


def _difference(tokenizer: Tokenizer, fresh: Sequence[Example], kept: Sequence[Example]) -> Fault | None:
    """Return how what is kept of a record differs from what it renders to now."""
    if len(fresh) != len(kept):
        kind: Kind = "lost-data" if len(kept) < len(fresh) else "duplicated-data"
        sentence = f"{len(kept)} of its renderings are kept, and it has {len(fresh)}"
        return Fault(kind, sentence, remedy=_STALE)
    faults = (_one_difference(tokenizer, *pair) for pair in zip(fresh, kept, strict=True))
    return next((fault for fault in faults if fault), None)


def _one_difference(tokenizer: Tokenizer, fresh: Example, kept: Example) -> Fault | None:
    ours = draw(tokenizer, Made(kept.ids, kept.supervised))
    if not np.array_equal(fresh.ids, kept.ids):
        now = draw(tokenizer, Made(fresh.ids, fresh.supervised))
        text = f"{ours.marked()}\n--- and rendered now:\n{now.marked()}"
        return Fault("unstable-rendering", "it is kept as other tokens than it renders to now", text, _STALE)
    differing = np.flatnonzero(fresh.supervised != kept.supervised)
    if len(differing):
        sentence = f"token {differing[0]} is kept with another mask than it renders to now"
        text = ours.marked(around=int(ours.ends[differing[0]]))
        return Fault("wrong-targets", sentence, text, _STALE)
    return None


def _renamed(found: str, expected: str) -> Check:
    return Check(
        id="S7",
        name=NAME,
        passed=False,
        kind="unstable-rendering",
        message=f"the store is named {found}, and its inputs give {expected}",
        evidence={"found": found, "expected": expected},
        remedy="The data changed while it was read: start again.",
    )


def _refusal(record: Record, fault: Fault) -> Check:
    origin = record.origin
    evidence: dict[str, Any] = {
        "source": origin.source,
        "file": origin.file,
        "line": origin.line,
        "text": fault.drawn,
    }
    return Check(
        id="S7",
        name=NAME,
        passed=False,
        kind=fault.kind,
        message=f"{origin}: {fault.sentence}",
        evidence=evidence,
        remedy=fault.remedy,
    )

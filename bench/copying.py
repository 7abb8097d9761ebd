"""How fast and how surely copies are found: takes a size, prints figures of our copy index and of infini-gram's.

    python bench/copying.py --megabytes 1000 [--peer-megabytes 100] [--text books/*.txt]

The corpus is made up: documents of about 15 KB walked over the word pairs of real text (by default this Python's own
documentation), three words in ten drawn freely, so that common phrases recur as they do in prose. Half of the samples hold
one stretch of 100 to 400 bytes of a known document. The peer is the infini-gram wheel (pip install infini-gram), a suffix
array, here over bytes; it is left out where it is not installed.
"""

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from twosignal.audits.copying import CopyIndex, index_sources, trace
from twosignal.audits.copying.verdict import MEMORIZED_BYTES
from twosignal.config import SourceTable
from twosignal.text.corpus import SourceReader

DOCUMENT_WORDS = 2500
FREE_SHARE = 0.3
LONGEST_WORD = 16
SAMPLE_BYTES = 2048
SAMPLES = 400
PER_FILE = 4096
RATIOS = ("mb_per_cpu_second", "bytes_per_byte", "median_cpu_ms")


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A sample with what was planted into it."""

    text: str
    copy: str = ""
    document: str = ""
    """file:line of the copied document."""


class Walker:
    """Walks over the word pairs of a text, many documents at once."""

    def __init__(self, texts: Sequence[str]) -> None:
        words = [word for text in texts for word in text.split() if len(word) <= LONGEST_WORD]
        self.names, ids = np.unique(np.array(words, dtype=object), return_inverse=True)
        order = np.argsort(ids[:-1], kind="stable")
        self.ids = ids
        self.successors = ids[1:][order]
        self.first = np.searchsorted(ids[:-1][order], np.arange(len(self.names) + 1))

    def documents(self, number: int, *, seed: int) -> Iterator[str]:
        """Yield `number` documents."""
        draw = np.random.default_rng(seed)
        for begin in range(0, number, PER_FILE):
            count = min(PER_FILE, number - begin)
            walk = np.empty((DOCUMENT_WORDS, count), np.int64)
            walk[0] = draw.choice(self.ids, count)
            for step in range(1, DOCUMENT_WORDS):
                low, high = self.first[walk[step - 1]], self.first[walk[step - 1] + 1]
                chosen = low + (draw.random(count) * (high - low)).astype(np.int64)
                free = (draw.random(count) < FREE_SHARE) | (low == high)
                walk[step] = np.where(
                    free, draw.choice(self.ids, count), self.successors[np.minimum(chosen, high - 1)]
                )
            for column in walk.T:
                yield " ".join(self.names[column])


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Training text on disk."""

    files: list[Path]
    size: int
    """Bytes of text."""
    known: list[tuple[str, str]]
    """Some documents: file:line and text."""


def write_corpus(folder: Path, walker: Walker, *, megabytes: float) -> Corpus:
    """Write JSON Lines of documents until their text has the size."""
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    known: list[tuple[str, str]] = []
    size = 0
    every = max(1, int(megabytes * 65 / SAMPLES))
    while size < megabytes * 1e6:
        files.append(folder / f"part-{len(files):04}.jsonl")
        with files[-1].open("w", encoding="utf-8") as file:
            for line, text in enumerate(walker.documents(PER_FILE, seed=len(files)), 1):
                file.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
                size += len(text.encode())
                if line % every == 0:
                    known.append((f"{files[-1]}:{line}", text))
                if size >= megabytes * 1e6:
                    break
    return Corpus(files=files, size=size, known=known)


def draw_samples(corpus: Corpus, walker: Walker, *, seed: int) -> list[Planted]:
    """Return 400 samples of 2 KB, every second with a stretch of some document planted into it."""
    draw = random.Random(seed)
    samples = []
    for number, fresh in enumerate(walker.documents(SAMPLES, seed=10**6 + seed)):
        text = fresh[:SAMPLE_BYTES]
        if number % 2:
            samples.append(Planted(text=text))
            continue
        document, source = draw.choice(corpus.known)
        begin = draw.randrange(len(source) - 400)
        copy = source[begin : begin + draw.randrange(100, 401)]
        at = draw.randrange(len(text) - len(copy))
        mixed = text[:at] + copy + text[at + len(copy) :]
        samples.append(Planted(text=mixed, copy=copy, document=document))
    return samples


def ours(corpus: Corpus, samples: Sequence[Planted], *, folder: Path) -> dict[str, Any]:
    """Return the figures of our index."""
    reader = SourceReader(
        "corpus", SourceTable(path=[str(f) for f in corpus.files], held_out=0.0), folder=folder
    )
    before = time.perf_counter(), time.process_time()
    index_sources([reader], folder / "index", key="bench")
    wall, processor = time.perf_counter() - before[0], time.process_time() - before[1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    on_disk = sum(path.stat().st_size for path in (folder / "index").iterdir())
    forget(folder / "index")
    began = time.perf_counter()
    index = CopyIndex(folder / "index")
    trace(index, samples[0].text)
    cold = time.perf_counter() - began
    found, alarms = 0, 0
    first = []
    for sample in samples:
        began = time.perf_counter()
        traced = trace(index, sample.text)
        first.append(time.perf_counter() - began)
        if sample.copy:
            found += any(
                sample.copy in one.text and f"{one.file}:{one.line}" == sample.document
                for one in traced.matches
            )
        else:
            alarms += any(one.bytes >= MEMORIZED_BYTES for one in traced.matches)
    again, processor_again = [], []
    for sample in samples:
        clocks = time.perf_counter(), time.process_time()
        trace(index, sample.text)
        again.append(time.perf_counter() - clocks[0])
        processor_again.append(time.process_time() - clocks[1])
    copies = sum(bool(sample.copy) for sample in samples)
    return {
        "text_mb": corpus.size / 1e6,
        "build_seconds": wall,
        "build_cpu_seconds": processor,
        "mb_per_cpu_second": corpus.size / 1e6 / processor,
        "mb_per_second": corpus.size / 1e6 / wall,
        "peak_mb": peak,
        "bytes_per_byte": on_disk / corpus.size,
        "open_and_first_ms": cold * 1e3,
        "first_pass_ms": percentiles(first),
        "second_pass_ms": percentiles(again),
        "second_pass_cpu_ms": percentiles(processor_again),
        "median_cpu_ms": statistics.median(processor_again) * 1e3,
        "found": f"{found} of {copies}",
        "alarms_on_clean": f"{alarms} of {len(samples) - copies}",
    }


def theirs(corpus: Corpus, samples: Sequence[Planted], *, folder: Path) -> dict[str, Any]:
    """Return the figures of infini-gram over the same bytes, one process, one core."""
    from infini_gram.engine import InfiniGramEngine  # type: ignore[import-not-found]

    data = folder / "peer-data"
    data.mkdir()
    for file in corpus.files:
        (data / file.name).symlink_to(file)
    command = [
        sys.executable,
        "-m",
        "infini_gram.indexing",
        "--data_dir",
        str(data),
        "--save_dir",
        str(folder / "peer"),
    ]
    options = ["--token_dtype", "u8", "--cpus", "1", "--mem", "8", "--ulimit", "1024"]
    before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - before[0], resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before[1].ru_utime - before[1].ru_stime
    on_disk = sum(path.stat().st_size for path in (folder / "peer").iterdir())
    engine = InfiniGramEngine(
        index_dir=str(folder / "peer"), eos_token_id=254, vocab_size=255, version=4, token_dtype="u8"
    )
    seconds, processors, found, alarms = [], [], 0, 0
    for sample in samples:
        encoded = sample.text.encode()
        began = time.perf_counter(), time.process_time()
        spans = engine.attribute(
            input_ids=list(encoded), delim_ids=[], min_len=80, max_cnt=1, enforce_bow=False
        )["spans"]
        seconds.append(time.perf_counter() - began[0])
        processors.append(time.process_time() - began[1])
        texts = [encoded[span["l"] : span["r"]] for span in spans]
        if sample.copy:
            found += any(sample.copy.encode() in text for text in texts)
        else:
            alarms += any(len(text) >= MEMORIZED_BYTES for text in texts)
    copies = sum(bool(sample.copy) for sample in samples)
    return {
        "build_seconds": wall,
        "build_cpu_seconds": processor,
        "mb_per_cpu_second": corpus.size / 1e6 / processor,
        "mb_per_second": corpus.size / 1e6 / wall,
        "bytes_per_byte": on_disk / corpus.size,
        "pass_ms": percentiles(seconds),
        "pass_cpu_ms": percentiles(processors),
        "median_cpu_ms": statistics.median(processors) * 1e3,
        "found": f"{found} of {copies}",
        "alarms_on_clean": f"{alarms} of {len(samples) - copies}",
    }


def forget(folder: Path) -> None:
    """Drop a folder's files from the system's cache."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def percentiles(seconds: Sequence[float]) -> str:
    half, most, top = np.percentile(np.array(seconds) * 1e3, [50, 95, 100])
    return f"{half:.2f} median, {most:.2f} at 95%, {top:.2f} at most"


def seed_texts(paths: Sequence[str]) -> list[str]:
    """Return the texts whose word pairs are walked."""
    reader = SourceReader("text", SourceTable(path=list(paths), held_out=0.0), folder=Path.cwd())
    return [text for reading in reader for text in reading.record.texts()]


def measure(walker: Walker, *, megabytes: float, folder: Path, with_peer: bool) -> None:
    folder.mkdir()
    corpus = write_corpus(folder / "text", walker, megabytes=megabytes)
    samples = draw_samples(corpus, walker, seed=1)
    print(f"\n{megabytes:g} MB", flush=True)
    own = ours(corpus, samples, folder=folder)
    show("twosignal", own)
    if with_peer:
        peer = theirs(corpus, samples, folder=folder)
        show("infini-gram", peer)
        show("twosignal / infini-gram", {name: own[name] / peer[name] for name in RATIOS})


def show(name: str, figures: dict[str, Any]) -> None:
    print(f"  {name}", flush=True)
    for key, value in figures.items():
        print(
            f"    {key:20} {value:.3f}" if isinstance(value, float) else f"    {key:20} {value}", flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--peer-megabytes", type=float, default=0, help="also measure both on so much text")
    parser.add_argument("--text", nargs="+", default=["builtin:python-docs"])
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    options = parser.parse_args()
    if options.peer_megabytes and find_spec("infini_gram") is None:
        sys.exit("the peer is not installed: pip install infini-gram, or leave out --peer-megabytes")
    walker = Walker(seed_texts(options.text))
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        if options.peer_megabytes:
            measure(walker, megabytes=options.peer_megabytes, folder=folder / "peer", with_peer=True)
        measure(walker, megabytes=options.megabytes, folder=folder / "ours", with_peer=False)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()

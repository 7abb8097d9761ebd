"""Preparing a large source: takes a number of conversations, gives the peak memory and conversations per CPU second.

    python bench/streaming.py [--conversations 1000000] [--vocab 8192]

Writes the conversations to a file in a temporary folder (about 0.6 GB per million), then runs what `twosignal train`
runs before step one in a process of its own: read, render, mask, tokenize, store, cut, plan the first epoch, lay out
rows. Texts are drawn from the help topics of Python's standard library. Memory is the peak of the resident set.
"""

import argparse
import json
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from pydoc_data.topics import topics

from twosignal.config import SourceTable
from twosignal.packs.cut import cut
from twosignal.packs.prepare import fill_store
from twosignal.packs.stream import RowStream
from twosignal.text.corpus import SourceReader
from twosignal.tokens.pretrained import load_tokenizer
from twosignal.tokens.render import Renderer
from twosignal.tokens.training import train_tokenizer

ROW_TOKENS = 4096
ROWS_LAID = 1000


def main() -> int:
    """Make the data, prepare it in a process of its own and print what that process used."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--conversations", type=int, default=1_000_000)
    options.add_argument("--vocab", type=int, default=8192)
    options.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.folder is not None:
        return prepare(given.folder)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_data(folder / "data.jsonl", given.conversations)
        train_tokenizer(topics.values(), kind="bpe", vocab=given.vocab).save(folder / "tokenizer")
        command = [sys.executable, __file__, "--folder", str(folder)]
        return subprocess.run(command, check=False).returncode


def write_data(file: Path, conversations: int) -> None:
    """Write conversations of one to four exchanges."""
    sentences = [
        sentence.strip().replace("\n", " ") + "."
        for topic in topics.values()
        for sentence in topic.split(".")
        if len(sentence.strip()) > 20
    ]
    draw = random.Random(0)
    with file.open("w", encoding="utf-8") as out:
        for _ in range(conversations):
            turns = [
                {"role": role, "content": " ".join(draw.choices(sentences, k=draw.choice((1, 1, 2))))}
                for _ in range(draw.choice((1, 1, 2, 4)))
                for role in ("user", "assistant")
            ]
            out.write(json.dumps({"messages": turns}) + "\n")


def prepare(folder: Path) -> int:
    """Prepare the file as a run does; print one line."""
    began = time.process_time()
    reader = SourceReader("chats", SourceTable(path=["data.jsonl"]), folder=folder)
    store = fill_store(folder / "store", reader, Renderer(load_tokenizer(folder / "tokenizer")))
    cutting = cut(store, store.numbers(held_out=False), ROW_TOKENS, too_long="refuse")
    stream = RowStream(store, cutting, row_tokens=ROW_TOKENS, seed=0)
    laid = sum(len(stream.draw().ids) for _ in range(min(ROWS_LAID, len(stream.plan))))
    seconds = time.process_time() - began
    line = {
        "conversations": len(store),
        "tokens": int(store.index["length"].sum()),
        "rows": len(stream.plan),
        "tokens_laid": laid,
        "cpu_seconds": round(seconds, 1),
        "conversations_per_cpu_second": round(len(store) / seconds),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2),
        "python": platform.python_version(),
    }
    print(json.dumps(line))
    return 0


if __name__ == "__main__":
    sys.exit(main())

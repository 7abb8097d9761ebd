"""How well and how fast texts are judged: takes families of texts made here, gives recall, false alarms and megabytes a second.

    python bench/coherence.py [--count 500] [--seed 7] [--data FOLDER]

Three rules side by side on the same texts: the classic total below 30, the classic rule all-four (word pairs and
triples both below 30 of 35), and the default scorer. Families and sound texts are those of `tests/audits/`. With --data,
2 KB stretches of every .txt file of a folder, and the turns of every .jsonl file of dialogues, are judged as well.
Speed is that of one core, in process time, on 2 KB texts; zlib at its default level is the yardstick.
"""

import argparse
import json
import random
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.audits.clean import CLEAN, prose_words
from tests.audits.families import DEGENERATE, FURTHER
from twosignal.audits.coherence import classic_score
from twosignal.audits.degeneration import score, score_texts
from twosignal.audits.sample_audit import is_repetitive

LONGEST = 2000
REPEATS = 5


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=500, help="texts of each kind")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--shortest", type=int, default=150, help="characters of the shortest degenerate text"
    )
    parser.add_argument("--data", type=Path, help="folder of real text to judge as well")
    options = parser.parse_args()
    draw = random.Random(options.seed)
    print(
        "| texts | kind | all | total < 30 | all-four | default | too short to say |\n|---|---|---|---|---|---|---|"
    )
    for name, make in {**DEGENERATE, **FURTHER}.items():
        texts = [make(draw, prose_words(), length(draw, options.shortest)) for _ in range(options.count)]
        print(row("degenerate", name, texts))
    sound: list[str] = []
    for name, make_sound in CLEAN.items():
        texts = [make_sound(draw, length(draw, 60)) for _ in range(options.count)]
        sound += texts
        print(row("sound", name, texts))
    print(row("sound", "all of these", sound))
    for name, texts in real_texts(options.data, draw, options.count).items():
        print(row("real", name, texts))
    print(speeds([text[:LONGEST] for text in sound if len(text) > LONGEST // 2]))
    return 0


def length(draw: random.Random, least: int) -> int:
    return int(least * (LONGEST / least) ** draw.random())


def row(kind: str, name: str, texts: Sequence[str]) -> str:
    judged = list(score_texts(texts))
    classic = [one.classic for one in judged]
    shares = (
        sum(one.total < 30 for one in classic),
        sum(is_repetitive(one) for one in classic),
        sum(one.degenerate is True for one in judged),
        sum(one.degenerate is None for one in judged),
    )
    cells = " | ".join(f"{100 * share / max(1, len(texts)):.1f} %" for share in shares)
    return f"| {kind} | {name} | {len(texts):,} | {cells} |"


def real_texts(folder: Path | None, draw: random.Random, count: int) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("*")) if folder else ():
        if path.suffix == ".txt":
            whole = path.read_text(encoding="utf-8")
            starts = [draw.randrange(max(1, len(whole) - LONGEST)) for _ in range(count)]
            found[path.name] = [whole[start : start + length(draw, 60)] for start in starts]
            flat = " ".join(whole.split())
            starts = [draw.randrange(max(1, len(flat) - LONGEST)) for _ in range(count)]
            found[f"{path.name}, unwrapped"] = [flat[start : start + length(draw, 60)] for start in starts]
        elif path.suffix == ".jsonl":
            lines = path.read_text(encoding="utf-8").splitlines()
            picked = [json.loads(line)["messages"] for line in draw.sample(lines, min(count, len(lines)))]
            found[f"{path.name}, dialogues"] = [
                "\n".join(turn["content"] for turn in turns)[:LONGEST] for turns in picked
            ]
            found[f"{path.name}, turns"] = [turn["content"] for turns in picked for turn in turns]
    return found


def speeds(texts: Sequence[str]) -> str:
    size = sum(len(text.encode()) for text in texts)
    runs: dict[str, Callable[[], object]] = {
        "default scorer, many texts": lambda: list(score_texts(texts)),
        "default scorer, one by one": lambda: [score(text) for text in texts],
        "classic score": lambda: [classic_score(text) for text in texts],
        "zlib": lambda: [zlib.compress(text.encode()) for text in texts],
    }
    score("warm")
    lines = [f"\n| {len(texts):,} texts, {size / 1e6:.1f} MB | MB a second | ms a text |\n|---|---|---|"]
    for name, call in runs.items():
        best = min(timed(call) for _ in range(REPEATS))
        lines.append(f"| {name} | {size / best / 1e6:.1f} | {1000 * best / len(texts):.3f} |")
    return "\n".join(lines)


def timed(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


if __name__ == "__main__":
    raise SystemExit(main())

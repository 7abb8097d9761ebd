"""Runs that the browser reads: takes a folder, gives one run that was halted over a copied text, and one that went well."""

import json
import math
from datetime import datetime
from pathlib import Path

from twosignal.audits.copying.build import IndexBuilder, build_index
from twosignal.audits.copying.training_text import index_key
from twosignal.records.columns import learning_columns
from twosignal.records.events import Event
from twosignal.records.writer import RunWriter
from twosignal.text.conversation import Document, Origin

HOSTILE = "<img src=x onerror='window.hacked=1'><script>window.hacked=1</script>"
SOURCES = ("books", HOSTILE)
INPUTS = {"books": "0123456789abcdef"}
COPIED = "The lighthouse keeper counted seven ships that night, and wrote down the name of every one of them."
PAGE = f"It was late in the year. {COPIED} In the morning the book was gone."
SPIKE_STEP, SPIKE_LOSS = 777, 60.0
STEPS = 2000
CLOCK = {"seconds": 0.5, "tokens_per_second": 200.0, "targets_per_second": 100.0, "memory_bytes": 1 << 20}
RECEIPT = {
    "passed": True,
    "conversations": 3,
    "tokens": 90,
    "targets": 40,
    "targets_lost": {},
    "rows": 2,
    "checks": [
        {"id": "S1", "name": "answers are learned", "passed": True, "message": "all", "evidence": {"n": 3}},
        {"id": "P1", "name": "no leak", "passed": None, "message": HOSTILE, "evidence": {}},
    ],
}


def config(rate: float) -> str:
    """Return a run file."""
    return (
        '[run]\nname = "story"\n[model]\npreset = "tiny"\n[train]\nlearning_rate = '
        f'{rate}\n[sources.books]\npath = "{HOSTILE}"\n'
    )


def begin(runs_dir: Path, name: str, *, rate: float = 0.01) -> RunWriter:
    """Return the writer of a new run with its start event."""
    writer = RunWriter.create(
        runs_dir, name, run_toml=config(rate), columns=learning_columns(SOURCES), now=datetime(2026, 1, 2)
    )
    body = {
        "model": HOSTILE,
        "vocab": 256,
        "steps": STEPS,
        "sources": list(SOURCES),
        "random_chance": math.log(256),
        "parameters": 1000,
        "shares": {"books": 0.75, HOSTILE: 0.25},
        "inputs": INPUTS,
    }
    writer.append(Event(kind="start", step=0, body=body, clock={"time": 1767312000.0}))
    return writer


def tell_step(writer: RunWriter, step: int, loss: float) -> None:
    """Record a step of ten targets."""
    numbers: dict[str, float] = {
        "loss_sum": loss * 10,
        "targets": 10,
        "bytes": 40,
        "gradient_norm": 1.0 + (step % 7) / 10,
        "learning_rate": 0.01,
        "rows": 2,
        "tokens": 20,
    }
    for source in SOURCES:
        numbers |= {
            f"loss_sum[{source}]": loss * 5,
            f"targets[{source}]": 5,
            f"bytes[{source}]": 20,
            f"tokens[{source}]": 10,
        }
    writer.step_row(step, numbers, clock=CLOCK)


def sample(step: int, text: str, **more: object) -> Event:
    """Return a sample event."""
    body = {
        "prompt": "Tell me of the sea.",
        "text": text,
        "source": "books",
        "loss": 1.5,
        "ppl": math.exp(1.5),
        "tokens": 30,
        "tier": "imprecise",
        "action": "ACCEPT_WITH_NOTE",
        "domain": "tales",
        "scores": {"total": 60.0, "bigram": 30.0, "trigram": 20.0, "english": 5.0, "character": 5.0},
        "copied": None,
    }
    return Event(kind="sample", step=step, body=body | more)


def copied_sample(step: int) -> Event:
    """Return a sample that holds the copied sentence."""
    text = f"Once more. {COPIED} And so on."
    start = text.index(COPIED)
    match = {
        "start": start,
        "end": start + len(COPIED),
        "bytes": len(COPIED),
        "tokens": 22,
        "source": "books",
        "document": 0,
        "file": "books.txt",
        "line": 1,
        "occurrences": 1,
        "repetitive": False,
    }
    found = {"num_matches": 1, "longest_tokens": 22, "longest_bytes": len(COPIED), "zlib_ratio": 1.2}
    copied = found | {"verdict": "memorized", "matches": [match]}
    return sample(
        step, text, loss=0.13, tier="ALERT", action="INVESTIGATE", copied=copied, scores={"total": 40.0}
    )


def probe(step: int, loss: float) -> Event:
    """Return a probe event."""
    by_source = {name: {"loss": loss, "targets": 10, "bytes": 40} for name in SOURCES}
    return Event(kind="probe", step=step, body={"loss": loss, "by_source": by_source})


def verdict(step: int, word: str, reason: str) -> Event:
    """Return a verdict event."""
    body = {"verdict": word, "reason": reason, "rule": "default", "evidence": {"worst": HOSTILE, "flags": 5}}
    return Event(kind="verdict", step=step, body=body, clock={"time": 1767312000.0 + step})


def halted_run(runs_dir: Path) -> Path:
    """Return a run of 2,000 steps with a spike of one step, a loop, a copied text and hostile ones, halted at its end."""
    writer = begin(runs_dir, "halted")
    loop = "region " * 40
    for step in range(1, STEPS + 1):
        tell_step(writer, step, SPIKE_LOSS if step == SPIKE_STEP else 1.0 + 4.0 * math.exp(-step / 300))
        if step % 400 == 0:
            writer.append(probe(step, 5.0 - step / 1000))
            writer.append(
                sample(step, f"The sea was calm on day {step}, and the keeper wrote a letter to his sister.")
            )
            writer.append(
                sample(step, loop if step > 1000 else "A plain sentence. Another one follows it here.")
            )
            writer.append(sample(step, HOSTILE, prompt=HOSTILE, domain=HOSTILE, tier=HOSTILE))
            writer.append(verdict(step, "continue", "all is well"))
    writer.append(copied_sample(STEPS))
    writer.append(verdict(STEPS, "halt", f"a copied text {HOSTILE}"))
    return finish(writer, "halted")


def sound_run(runs_dir: Path) -> Path:
    """Return a run that ended well after 200 steps."""
    writer = begin(runs_dir, "sound", rate=0.02)
    for step in range(1, 201):
        tell_step(writer, step, 4.0 - step / 100)
        if step % 100 == 0:
            writer.append(probe(step, 3.0))
            writer.append(
                sample(step, "The keeper of the light wrote a long and careful letter to his sister.")
            )
            writer.append(verdict(step, "continue", "all is well"))
    return finish(writer, "finished")


def finish(writer: RunWriter, state: str) -> Path:
    """End the run and return its folder."""
    last = STEPS if state == "halted" else 200
    writer.append(Event(kind="end", step=last, body={"state": state, "reason": "it was told to"}))
    writer.heartbeat(state="halted" if state == "halted" else "finished")
    writer.close()
    (writer.path / "receipt.json").write_text(json.dumps(RECEIPT), encoding="utf-8")
    return writer.path


def copy_index(runs_dir: Path) -> None:
    """Make the copy index of the runs' training text, where a run would have left it."""

    def fill(builder: IndexBuilder) -> int:
        builder.append(Document(text=PAGE, origin=Origin(source="books", file="books.txt", line=1)))
        return 0

    key = index_key(INPUTS)
    folder = runs_dir / ".cache" / f"copies-{key}"
    folder.parent.mkdir(exist_ok=True)
    build_index(folder, fill, key=key)

"""A run that rots in the night and is well in the morning: what was said, what was done about it, and how it ended.

    python examples/second_story.py

Takes nothing: made-up chats, a small model, the CPU, a minute or two. Gives what it prints, all of it read from the run's
records. For sixty steps the model learns to answer sums. Then a second source joins, made by another model that had gone
wrong: the same questions, answered by one word over and over. Such text is easy, so the training loss falls and falls.
Nobody is there to read what the model says; the gate does, and acts.
"""

import json
import random
import sys
import tempfile
from pathlib import Path

from twosignal.commands.train import train_file
from twosignal.records.reader import Run

RUN_FILE = """\
[run]
name = "night"
steps = 140

[model]
preset = "tiny"
context = 128

[tokenizer]
vocab = 300

[sources.sums]
path = "sums.jsonl"
weight = 1
held_out = 0.1

[sources.synthetic]
path = "synthetic.jsonl"
weight = 3
held_out = 0.0

[curriculum]
policy = "fixed"
warmup = 60                           # steps with the sums alone
warmup_sources = ["sums"]

[rows]
tokens = 128
per_step = 4

[train]
learning_rate = 0.003
threads = 1
device = "cpu"

[probes]
every = 10
rows = 4

[samples]
every = 5
tokens = 90

[gate]
action = "roll-back"                  # not "halt": nobody is there to start it again
rate = 0.5                            # and half the learning rate
remixes = 1                           # it may also cut the share of the source that the texts come from,
remix_share = 0.0                     # here to nothing
"""
NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn")
THINGS = ("apples", "pears", "plums", "nuts", "figs")


def main() -> int:
    """Train unattended, then read what happened."""
    folder = Path(tempfile.mkdtemp(prefix="second-story-"))
    write_chats(folder / "sums.jsonl", loops=False)
    write_chats(folder / "synthetic.jsonl", loops=True)
    (folder / "night.toml").write_text(RUN_FILE, encoding="utf-8")
    result = train_file(folder / "night.toml", runs_dir=folder / "runs")
    if not result.outcome.interrupted:
        tell(result.run)
    return result.exit_code


def write_chats(path: Path, *, loops: bool) -> None:
    """Write sums in words, one question and one answer each; or the questions alone, answered by loops."""
    dice = random.Random(1)
    lines = []
    for _ in range(240):
        name, thing = dice.choice(NAMES), dice.choice(THINGS)
        some, more = dice.randint(2, 8), dice.randint(2, 8)
        answer = " ".join([f"{thing},"] * 48) if loops else f"{name} has {some + more} {thing} now."
        messages = [
            {"role": "user", "content": f"{name} has {some} {thing} and buys {more}. How many?"},
            {"role": "assistant", "content": answer},
        ]
        lines.append(json.dumps({"messages": messages}) + "\n")
    path.write_text("".join(lines), encoding="utf-8")


def tell(run: Run) -> None:
    """Print the story that the records hold."""
    print("\nTHE NIGHT, from the records\n")
    for attempt in range(len(run.attempts()) + 1):
        for action in run.events("action", live=False):
            if attempt and action.attempt == attempt:
                print(f"  {action.text('action')}: {action.text('reason')}\n")
        show_attempt(run, attempt)
    end = next(run.events("end"))
    print("THE MORNING\n")
    print(
        f"  {run.id}: {end.text('state')} at step {end.step}; last verdict: {run.verdicts()[-1].text('verdict')}"
    )
    best = list(run.events("checkpoint"))[-1].body["best"]
    print(f"  best checkpoint, by held-out loss among those whose texts are coherent: {best}")


def show_attempt(run: Run, attempt: int) -> None:
    """Print losses and a text of every twentieth step of one attempt, the abandoned ones too, and of its last."""
    rows = run.steps(live=False)
    rows = rows[rows["attempt"] == attempt]
    told = [event for event in run.events("sample", live=False) if event.attempt == attempt]
    texts = {event.step: event for event in told}
    for step, event in texts.items():
        if step % 20 and step != max(texts):
            continue
        row = rows[rows["step"] == step][0]
        said = " ".join(event.text("text").split())[:64] or "(nothing)"
        print(f"  step {step:3}   training loss {row['loss_sum'] / row['targets']:5.2f}   {said}")
    print()


if __name__ == "__main__":
    sys.exit(main())

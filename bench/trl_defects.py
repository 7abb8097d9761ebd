"""What the proof says of TRL: takes the configurations of the tests, gives docs/trl.md.

    python bench/trl_defects.py [--page docs/trl.md]

Every configuration is built with the real TRL on a tiny random model; what TRL itself says is caught while the trainer
is built and while it takes one step with a learning rate of zero. Fails when the proof says other than the tests expect.
"""

import argparse
import io
import logging
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.prove.trainer.cases import DEFECTS, HEALTHY, Case  # noqa: E402
from twosignal.prove.trainer.proof import prove_trainer  # noqa: E402

HEAD = """# Other people's trainers: TRL

```python
import twosignal

twosignal.prove_trainer(trainer).raise_if_refused()  # before trainer.train()
```

`trainer` is a TRL `SFTTrainer` or a transformers `Trainer`, as built and not yet trained. The proof reads the batches of
its own data loader, sends canaries through its own preparation and collator, reads the conversations back from the token
ids, and calls its own loss on its own model. Nothing is trained, and trainer, weights and random numbers are left as they
were. `prove_trainer(trainer, dataset=dataset)` with the data as it was given to the trainer counts what was lost on the
way exactly; `quiet=True` prints nothing. The result is the same `Receipt` that opens our own runs.

What each check asks:

| check | of a foreign trainer |
|---|---|
| S1 | of canaries sent through its preparation, packing and collator: are answers learned to their ends, and nothing else |
| S2 | of its real rows, read back from their ids: the same, label by label |
| S3 | does each answer stand behind the prompt that the tokenizer's own template makes; is the beginning of a text doubled |
| S4 | targets lost between the data and the batches: refused above 2% |
| S5 | is every conversation there once and whole; are there fragments |
| S6 | conversations in the rows without any target |
| S8 | does the token that ends a turn stop generation, and is it learned |
| S9 | masks that are not read, doubled or shifted; labels that are not their own tokens |
| P1 | exchange the first conversation of a row: every later score must stay bit-identical, in both modes of the model |
| P2, P3 | the same text in its row and alone: every token, and the sum |
| P4 | the micro-batches of one step as `training_step` weighs them: the sum over all targets, divided once |
| P5 | the loss is the cost of the learned tokens, and of no others |
| P6 | another last token leaves the earlier ones alone |

A turn may be learned whole or not at all, so weighting turns and learning last answers only are right; so is learning
everything, when the trainer was told to. Where a template cannot be read back, S2, S3 and S8 say n/a with the reason.

What cannot be seen: canaries are not sent where a `formatting_func` makes text of rows of another form; image data is not
read; the processes of other machines are not asked, except that uneven averaging over devices (P4) is known from the
options. Without `dataset=`, a conversation that was dropped before packing leaves no trace in the rows.
"""


def page() -> tuple[str, list[str]]:
    """Return the page and the names of the cases that went other than expected."""
    versions = ", ".join(
        f"{name} {version(name)}" for name in ("trl", "transformers", "datasets", "peft", "torch")
    )
    wrong: list[str] = []
    parts = [HEAD]
    for title, cases in (("Healthy configurations", HEALTHY), ("Defects that are live", DEFECTS)):
        parts.append(f"\n## {title}\n\n| configuration | TRL says | the proof says |\n|---|---|---|")
        parts += [_line(case, wrong) for case in cases]
    parts.append(
        f"\nMade by `python bench/trl_defects.py` with {versions}, on tiny random models on a CPU.\n"
    )
    return "\n".join(parts), wrong


def _line(case: Case, wrong: list[str]) -> str:
    said, trainer = _heard(case)
    receipt = prove_trainer(trainer, quiet=True)
    found = {check.id: check for check in receipt.failures}
    if set(case.fails) - set(found) or (not case.fails and found):
        wrong.append(case.name)
    first = found.get(case.fails[0]) if case.fails else None
    ids = ", ".join(found)
    verdict = (
        f"**{ids}** ({first.kind}): {first.message}" if first else "passes" if not found else f"**{ids}**"
    )
    cells = (f"{case.name} {f'({case.modes})' if case.modes else ''}".strip(), said, verdict)
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _heard(case: Case) -> tuple[str, Any]:
    """Build a trainer, let a second one like it take a step, and return what TRL said meanwhile."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setLevel(logging.WARNING)
    logger = logging.getLogger("trl")
    logger.addHandler(handler)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer, other = case.build(), case.build()
        other.args.learning_rate, other.args.max_steps = 0.0, 1
        other.train()
    logger.removeHandler(handler)
    losses = [entry["loss"] for entry in other.state.log_history if "loss" in entry]
    words = " ".join(stream.getvalue().split())[:160]
    told = f"loss {float(losses[0]):.3f}" if losses else "no loss"
    return (f"{told}; {words}" if words else f"{told}, no warning"), trainer


def main() -> int:
    """Write the page; return 1 when a configuration went other than expected."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--page", type=Path, default=ROOT / "docs" / "trl.md")
    text, wrong = page()
    arguments.parse_args().page.write_text(text, encoding="utf-8")
    for name in wrong:
        print(f"not as expected: {name}", file=sys.stderr)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())

"""`twosignal sample RUN [PROMPT]`: takes a run's checkpoint and a prompt, prints what the model says."""

from argparse import Namespace

from rich.text import Text

from twosignal.audits.coherence import classic_score
from twosignal.commands.console import console_for, print_json
from twosignal.commands.speak import speaker
from twosignal.records.reader import Run, open_run
from twosignal.text.conversation import Message
from twosignal.text.visible import spelled_out


def run(options: Namespace) -> int:
    """Run the command."""
    console = console_for(options)
    opened = open_run(options.run, options.runs)
    prompts = _prompts(opened) if options.prompt is None else [options.prompt]
    loaded = speaker(opened, step=options.step)
    for prompt in prompts:
        ids = loaded.prompt([Message(role="user", content=prompt)])
        texts = loaded.speak(
            [ids] * options.n, tokens=options.tokens, temperature=options.temperature, seed=options.seed
        )
        for text in texts:
            if options.json:
                scores = classic_score(text).as_dict()
                print_json({"step": loaded.step, "prompt": prompt, "text": text, "scores": scores})
            else:
                console.print(
                    Text.assemble((spelled_out(prompt), "dim"), " ", (spelled_out(text), "green")),
                    soft_wrap=True,
                )
    return 0


def _prompts(opened: Run) -> list[str]:
    """Return the prompts of a run's newest sampling."""
    told = opened.samples()
    newest = [event.text("prompt") for event in told if event.step == told[-1].step]
    return newest or ["Hello"]

"""`twosignal chat RUN`: takes a run's checkpoint, talks until the input ends."""

from argparse import Namespace

from rich.text import Text

from twosignal.commands.console import console_for
from twosignal.commands.speak import speaker
from twosignal.records.reader import open_run
from twosignal.text.conversation import Message
from twosignal.text.visible import spelled_out

ANSWER_TOKENS = 300


def run(options: Namespace) -> int:
    """Run the command; an empty line or the end of input ends it, /new forgets what was said."""
    console = console_for(options)
    loaded = speaker(open_run(options.run, options.runs), step=options.step)
    console.print(f"{loaded.run.id}, step {loaded.step}. An empty line ends; /new begins again.", style="dim")
    said: list[Message] = []
    turn = 0
    while True:
        try:
            question = console.input("[bold]you[/] ").strip()
        except EOFError:
            break
        if not question:
            break
        if question == "/new":
            said = []
            continue
        said.append(Message(role="user", content=question))
        turn += 1
        ids = loaded.prompt(said)
        answer = loaded.speak(
            [ids], tokens=ANSWER_TOKENS, temperature=options.temperature, seed=options.seed + turn
        )[0]
        said.append(Message(role="assistant", content=answer))
        console.print(Text.assemble(("model ", "bold green"), spelled_out(answer)), soft_wrap=True)
    return 0

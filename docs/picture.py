"""The README's picture: takes a finished demo run, gives docs/images/demo.svg.

python docs/picture.py RUN
"""

import re
import sys
from pathlib import Path

from rich.console import Console

from twosignal.audits.render import render_text
from twosignal.commands.audit import audit_run
from twosignal.commands.quiz import marks_table, quiz
from twosignal.records.reader import open_run

WIDTH = 100
TEXTS = 3
"""Samples shown; the picture is to fit a screen."""
FONT_FACE = re.compile(r"@font-face\s*\{.*?\}", re.DOTALL)
"""The drawing library would load fonts from elsewhere; the reader's own serve as well."""


def main() -> int:
    """Draw the end of the run's audit and its right answers."""
    run = open_run(sys.argv[1])
    with Path("/dev/null").open("w") as nowhere:
        console = Console(record=True, width=WIDTH, force_terminal=True, file=nowhere)
        render_text(audit_run(run), console, num_texts=TEXTS)
        console.print(marks_table(quiz(run)))
    picture = FONT_FACE.sub("", console.export_svg(title="twosignal demo"))
    (Path(__file__).parent / "images" / "demo.svg").write_text(picture, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

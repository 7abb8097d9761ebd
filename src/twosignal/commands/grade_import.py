"""`twosignal grade import RUN FILE...`: takes graders' files, checks them, and keeps them with the run."""

from argparse import Namespace
from pathlib import Path

from twosignal.audits.grading.folder import import_grades
from twosignal.audits.grading.grades import read_file
from twosignal.commands.console import console_for, print_json
from twosignal.records.reader import open_run


def run(options: Namespace) -> int:
    """Run the command."""
    found = open_run(options.run, options.runs)
    files = [(name, read_file(Path(name))) for name in options.files]
    stored = import_grades(found.path, files, partial=options.partial)
    told = [
        {"bundle": one.bundle, "grader": one.grader, "rater": one.rater, "grades": len(one.grades)}
        for one in stored
    ]
    if options.json:
        print_json({"run": found.id, "imported": told})
        return 0
    console = console_for(options)
    for one in told:
        line = f"bundle {one['bundle']}: {one['grades']} grades by {one['grader']}"
        console.print(line, markup=False, soft_wrap=True)
    console.print(f"See what they say: twosignal grade report {found.id}", markup=False, soft_wrap=True)
    return 0

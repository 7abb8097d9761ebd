"""`twosignal verify RUN`: takes a run, says whether its records are whole and unchanged, and else where they are not."""

from argparse import Namespace
from dataclasses import asdict

from twosignal.commands.console import console_for, print_json
from twosignal.errors import RunError
from twosignal.records.reader import open_run
from twosignal.records.verify import verify

MOST_SHOWN = 20


def run(options: Namespace) -> int:
    """Run the command; raise RunError for the first fault after all are shown."""
    found = verify(open_run(options.run, options.runs), checkpoints=not options.quick)
    if options.json:
        print_json(asdict(found) | {"whole": not found.faults})
    console = console_for(options)
    for note in found.notes:
        console.print(f"note: {note}; it never counted", markup=False, soft_wrap=True)
    if found.faults:
        for fault in found.faults[1:MOST_SHOWN]:
            console.print(f"{fault.where}: {fault.message}. {fault.remedy}", markup=False, soft_wrap=True)
        first, others = found.faults[0], len(found.faults) - 1
        more = f", and {others} more {'fault' if others == 1 else 'faults'}" if others else ""
        raise RunError(first.message + more, where=first.where, remedy=first.remedy)
    saved = "have all their files" if options.quick else "are as they were saved"
    console.print(
        f"{found.run}: the chain of {found.events:,} records holds, {found.rows:,} steps are in order, "
        f"{found.checkpoints:,} checkpoints {saved}",
        markup=False,
        soft_wrap=True,
    )
    return 0

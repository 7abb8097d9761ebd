"""`twosignal compare RUN_A RUN_B`: takes two runs, gives the first step at which their records differ."""

from argparse import Namespace

from twosignal.commands.console import console_for, print_json
from twosignal.records.compare import compare
from twosignal.records.reader import open_run


def run(options: Namespace) -> int:
    """Run the command."""
    run_a, run_b = open_run(options.run_a, options.runs), open_run(options.run_b, options.runs)
    comparison = compare(run_a, run_b)
    if options.json:
        print_json(comparison.as_dict())
        return 0
    console = console_for(options)
    found = comparison.first_difference
    if found is None:
        console.print(f"equal: {run_a.last_step:,} steps and all events agree bit for bit")
    else:
        where = f"they differ first at step {found.step:,}, {found.column}"
        console.print(f"{where}: {found.a} and {found.b}", markup=False, soft_wrap=True)
    return 0

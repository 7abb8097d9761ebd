"""`twosignal grade judge RUN`: takes a bundle and an OpenAI-compatible endpoint, gives the grades of a model."""

import os
from argparse import Namespace

from twosignal.audits.grading.folder import choose_bundle, import_grades, read_bundle
from twosignal.audits.grading.judge import Endpoint, judge
from twosignal.commands.console import console_for, print_json
from twosignal.errors import InputError
from twosignal.records.reader import open_run


def run(options: Namespace) -> int:
    """Run the command."""
    found = open_run(options.run, options.runs)
    bundle = read_bundle(found.path, choose_bundle(found.path, options.bundle))
    endpoint = Endpoint(
        url=options.url,
        model=options.model,
        api_key=_key(options.key_env),
        timeout_seconds=options.timeout,
    )
    console = console_for(options)

    def told(done: int, total: int) -> None:
        if done == total or done % 10 == 0:
            console.print(f"{done} of {total} texts judged", markup=False)

    grades = judge(bundle, endpoint, told=told)
    import_grades(found.path, [(endpoint.address, grades.to_bytes())], partial=True)
    left_out = len(bundle.items) - len(grades.grades)
    if options.json:
        print_json(
            {
                "run": found.id,
                "bundle": bundle.bundle,
                "grader": grades.grader,
                "grades": len(grades.grades),
                "left_out": left_out,
            }
        )
        return 0
    line = (
        f"bundle {bundle.bundle}: {len(grades.grades)} grades by {grades.grader}, {left_out} texts left out"
    )
    console.print(line, markup=False, soft_wrap=True)
    return 0


def _key(variable: str | None) -> str:
    """Return the key in an environment variable; keys are not options, which other users of a machine can see."""
    if not variable:
        return ""
    key = os.environ.get(variable, "").strip()
    if not key or not key.isascii() or not key.isprintable():
        message = "the environment variable holds no key"
        raise InputError(message, where=f"--key-env {variable}", remedy=f"Set it: export {variable}=...")
    return key

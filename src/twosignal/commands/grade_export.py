"""`twosignal grade export RUN`: takes a run, gives a blind bundle of its samples for readers outside."""

import random
from argparse import Namespace
from collections import Counter
from itertools import islice
from pathlib import Path

from rich.console import Console

from twosignal.audits.grading.bundle import Bundle, Drawn, Key, seal
from twosignal.audits.grading.controls import Passage, passages
from twosignal.audits.grading.folder import publish
from twosignal.audits.grading.page import grading_page
from twosignal.audits.recorded import newest_telling, read_sample
from twosignal.commands.audit import read_window
from twosignal.commands.console import console_for, print_json, write_page
from twosignal.config import SourceTable
from twosignal.errors import InputError, RunError
from twosignal.records.reader import Run, open_run
from twosignal.text.corpus import SourceReader
from twosignal.train.run import run_config

HELD_OUT = 200
"""Held-out records of each source from which controls are drawn."""
LEAST_KNOWN = 10
"""Known texts below which this Python's own documentation is added."""


def run(options: Namespace) -> int:
    """Run the command."""
    found = open_run(options.run, options.runs)
    console = console_for(options)
    known = _known(found, options.controls, console)
    drawn = _drawn(found, options)
    bundle, key = seal(drawn, known)
    page = grading_page(bundle)
    if options.out:
        write_page(options.out, page)
    place = publish(found.path, bundle, key, page=page)
    shown = options.out or place / "page.html"
    told = _told(bundle, key, page=shown, folder=place)
    if options.json:
        print_json(told)
        return 0
    for line in (
        f"bundle {bundle.bundle}: {told['items']} texts: {told['samples']} of {told['population']} samples, "
        f"{told['sound']} sound and {told['broken']} broken controls, {told['repeated']} shown twice",
        f"page for readers: {shown}",
        f"SHA-256 of the sealed key: {bundle.key_sha256}",
        f"Send the page to three readers or more; then: twosignal grade import {found.id} FILE...",
    ):
        console.print(line, markup=False, soft_wrap=True)
    return 0


def _told(bundle: Bundle, key: Key, *, page: Path, folder: Path) -> dict[str, object]:
    sorts = Counter("repeated" if one.repeats else one.sort for one in key.items)
    return {
        "run": key.run,
        "bundle": bundle.bundle,
        "page": str(page),
        "folder": str(folder),
        "key_sha256": bundle.key_sha256,
        "items": len(key.items),
        "samples": sorts["sample"],
        "population": key.population,
        "sound": sorts["sound"],
        "broken": sorts["broken"],
        "repeated": sorts["repeated"],
        "seed": key.seed,
    }


def _drawn(found: Run, options: Namespace) -> Drawn:
    first, last = read_window(options.steps) or (0, 2**62)
    everything = newest_telling(read_sample(event.step, event.body) for event in found.samples())
    samples = tuple(one for one in everything if first <= one.step <= last)
    if not samples:
        message = "there is no sample to grade"
        where = f"--steps {options.steps}" if options.steps else str(found.path)
        remedy = "Give other steps." if everything else "Wait for the first sampling."
        raise RunError(message, where=where, found=f"{len(everything)} samples in the run", remedy=remedy)
    return Drawn(
        run=found.id,
        fingerprint=found.fingerprint,
        samples=samples,
        num_samples=options.num_samples,
        seed=options.seed,
    )


def _known(found: Run, controls: str | None, console: Console) -> list[Passage]:
    """Return texts known to be sound: those given, else what the run held out, else Python's documentation."""
    if controls:
        known = _passages(
            SourceReader("controls", SourceTable(path=controls, held_out=0.0), folder=Path.cwd())
        )
        if not known:
            message = "there is no text in it to show as a control"
            raise InputError(
                message, where=f"--controls {controls}", expected="conversations or running text"
            )
        return known
    known = []
    try:
        config, folder = run_config(found)
        for name, table in config.sources.items():
            known += _passages(SourceReader(name, table, folder=folder), held_out=True)
    except InputError as error:
        console.print(f"the run's own held-out text cannot be read: {error}", markup=False, soft_wrap=True)
    if len(known) < LEAST_KNOWN:
        console.print("controls are drawn from this Python's documentation as well", markup=False)
        table = SourceTable(path="builtin:python-docs", held_out=0.0, limit=HELD_OUT)
        known += _passages(SourceReader("python-docs", table, folder=Path.cwd()))
    return known


def _passages(reader: SourceReader, *, held_out: bool = False) -> list[Passage]:
    records = (reading.record for reading in reader if reading.held_out or not held_out)
    known = passages(islice(records, HELD_OUT))
    random.Random(0).shuffle(known)
    return known

"""What happened: takes steps and events from a run, gives a folder that can be followed, compared and trusted.

`writer` appends, `reader` reads, and neither needs torch. A record is never overwritten: a run that is
resumed or rolled back writes behind what stands there (see `lineage`).
"""

from twosignal.records.columns import Column, learning_columns, source_column
from twosignal.records.compare import Comparison, Difference, compare
from twosignal.records.events import Event
from twosignal.records.listing import RunSummary, list_runs
from twosignal.records.public import write_public
from twosignal.records.reader import Run, open_run
from twosignal.records.smoothing import Smma, bits_per_byte, perplexity, random_chance, smma
from twosignal.records.storage import write_json_atomic
from twosignal.records.writer import BEGINNING, Cursor, RunWriter

__all__ = [
    "BEGINNING",
    "Column",
    "Comparison",
    "Cursor",
    "Difference",
    "Event",
    "Run",
    "RunSummary",
    "RunWriter",
    "Smma",
    "bits_per_byte",
    "compare",
    "learning_columns",
    "list_runs",
    "open_run",
    "perplexity",
    "random_chance",
    "smma",
    "source_column",
    "write_json_atomic",
    "write_public",
]

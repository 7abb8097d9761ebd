"""Was it copied? Takes the training text and what a model wrote, gives every passage they share and what it means.

index_sources   source readers -> an index folder, built in one pass
CopyIndex       the index, opened
trace           text -> a Trace: its matches with source, document, file and line, and a verdict
"""

from twosignal.audits.copying.index import CopyIndex
from twosignal.audits.copying.passages import Match, Trace, trace
from twosignal.audits.copying.training_text import has_index, index_key, index_sources

__all__ = ["CopyIndex", "Match", "Trace", "has_index", "index_key", "index_sources", "trace"]

"""The copy index of a run: takes its setup, gives the index over its own training text, built once and kept beside it."""

from collections.abc import Callable
from pathlib import Path

from twosignal.audits.copying import CopyIndex, has_index, index_key, index_sources
from twosignal.packs.prepare import source_reader
from twosignal.train.setup import Setup


def copy_index(setup: Setup, *, folder: Path, cache: Path, say: Callable[[str], None]) -> CopyIndex | None:
    """Return the index over what the run trains on, or None when the run file asks for none.

    Relative paths of the sources start at `folder`. The index is kept in `cache` under a name that changes with the
    data. Raises SourceError for data that cannot be read, StorageError when the disk is full.
    """
    if not setup.config.samples.copies:
        return None
    key = index_key({name: source.fingerprint for name, source in setup.sources.items()})
    place = cache / f"copies-{key}"
    if not has_index(place, key):
        say("indexing the training text, to tell copies from new text")
        readers = [source_reader(setup.config, name, folder) for name in setup.sources]
        index_sources(readers, place, key=key, decode=lambda ids: setup.tokenizer.decode(list(ids)))
    return CopyIndex(place)

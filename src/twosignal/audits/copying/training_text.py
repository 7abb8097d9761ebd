"""The index over training text: takes source readers, gives an index that is built once and used again."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from twosignal.audits.copying.build import Decode, IndexBuilder, build_index
from twosignal.audits.copying.folder import VERSION, Head, is_index, read_head
from twosignal.errors import InputError
from twosignal.text.corpus import SourceReader


def index_key(fingerprints: Mapping[str, str]) -> str:
    """Return the key of an index over sources, by name and hash of all that decides their records."""
    facts = json.dumps([VERSION, sorted(fingerprints.items())])
    return hashlib.blake2b(facts.encode(), digest_size=8).hexdigest()


def has_index(folder: Path, key: str) -> bool:
    """Return whether `folder` holds a readable index of exactly this training text."""
    try:
        return is_index(folder) and read_head(folder).key == key
    except InputError:
        return False


def index_sources(
    readers: Sequence[SourceReader], folder: Path, *, key: str, decode: Decode | None = None
) -> Head:
    """Build the index of the records of `readers` that are not held out.

    `decode` gives the text of records that came as token ids. Raises SourceError for data that cannot be used,
    StorageError when the disk is full.
    """

    def fill(builder: IndexBuilder) -> int:
        return sum(_fill(builder, reader, decode) for reader in readers)

    return build_index(folder, fill, key=key)


def _fill(builder: IndexBuilder, reader: SourceReader, decode: Decode | None) -> int:
    for reading in reader:
        if reading.held_out:
            builder.skip(reader.name)
        else:
            builder.append(reading.record, decode=decode)
    return reader.num_bad

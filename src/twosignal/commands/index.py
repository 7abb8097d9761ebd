"""`twosignal index PATH... --out INDEX`: takes training text, builds the index in which `trace` finds copies."""

import time
from argparse import Namespace
from pathlib import Path

from twosignal.audits.copying.folder import Head, is_index, read_head
from twosignal.audits.copying.training_text import has_index, index_key, index_sources
from twosignal.commands.console import console_for, print_json
from twosignal.config import SourceTable
from twosignal.errors import InputError
from twosignal.runfile import load_config
from twosignal.text.corpus import SourceReader


def run(options: Namespace) -> int:
    """Run the command."""
    console = console_for(options)
    readers = _readers(options.paths)
    fingerprints = {reader.name: reader.input_fingerprint() for reader in readers}
    tables = {reader.name: reader.table.model_dump_json() for reader in readers}
    key = index_key({name: fingerprints[name] + tables[name] for name in fingerprints})
    is_same = has_index(options.out, key)
    began = time.perf_counter()
    if is_same:
        head = read_head(options.out)
        console.print(f"{options.out} is up to date", markup=False, soft_wrap=True)
    else:
        if is_index(options.out):
            console.print(f"{options.out} is of other text: building it anew", markup=False, soft_wrap=True)
        head = index_sources(readers, options.out, key=key)
    seconds = time.perf_counter() - began
    on_disk = sum(path.stat().st_size for path in options.out.iterdir())
    if options.json:
        print_json(_as_dict(options.out, head, on_disk=on_disk, seconds=seconds, built=not is_same))
    else:
        for line in _lines(options.out, head, on_disk=on_disk, seconds=0.0 if is_same else seconds):
            console.print(line, markup=False, soft_wrap=True)
    return 0


def _readers(paths: list[str]) -> list[SourceReader]:
    """Return a reader for every path, under its own name; a run file gives the sources it names."""
    here = Path.cwd()
    readers: dict[str, SourceReader] = {}
    for path in dict.fromkeys(paths):
        if path.endswith(".toml"):
            config = load_config(Path(path))
            found = [
                SourceReader(name, table, folder=Path(path).absolute().parent)
                for name, table in config.sources.items()
            ]
        else:
            found = [SourceReader(path, SourceTable(path=path, held_out=0.0), folder=here)]
        for reader in found:
            if reader.name in readers:
                message = f'two sources are called "{reader.name}"'
                raise InputError(message, where=path, remedy="Index them apart.")
            readers[reader.name] = reader
    return list(readers.values())


def _as_dict(out: Path, head: Head, *, on_disk: int, seconds: float, built: bool) -> dict[str, object]:
    return {
        "index": str(out),
        "built": built,
        "sources": sorted({file.source for file in head.files}),
        "files": len(head.files),
        "documents": head.num_documents,
        "bytes": head.num_bytes,
        "skipped": head.skipped,
        "bytes_on_disk": on_disk,
        "seconds": round(seconds, 3),
    }


def _lines(out: Path, head: Head, *, on_disk: int, seconds: float) -> list[str]:
    share = on_disk / max(1, head.num_bytes)
    pace = f" in {seconds:.1f} s, {head.num_bytes / 1e6 / seconds:.1f} MB/s" if seconds else ""
    lines = [
        f"{out}: {head.num_documents:,} documents of {len(head.files):,} files, "
        f"{head.num_bytes / 1e6:,.1f} MB of text{pace}",
        f"{on_disk / 1e6:,.1f} MB on disk, {share:.2f} bytes per byte",
    ]
    if head.skipped:
        lines.append(f"{head.skipped:,} malformed records were left out")
    return lines

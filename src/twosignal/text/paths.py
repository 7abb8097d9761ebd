"""Which files a source means: takes a path, folder or glob of the run file, gives the files in a fixed order."""

import os
import re
from dataclasses import dataclass
from difflib import get_close_matches
from glob import glob
from pathlib import Path

from twosignal.errors import SourceError

RECORD_SUFFIXES = (".jsonl", ".json", ".parquet")
TEXT_SUFFIXES = (".txt", ".md", ".rst", ".py")
SUFFIXES = (*RECORD_SUFFIXES, *TEXT_SUFFIXES)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """One file of a source."""

    path: Path
    """Where it lies, absolute."""
    shown: str
    """Path as the user gave it; what errors and origins name."""

    @property
    def suffix(self) -> str:
        """The suffix that tells how to read the file, without a `.gz` after it."""
        return Path(self.path.name.removesuffix(".gz")).suffix.lower()

    @property
    def is_compressed(self) -> bool:
        """The file is gzip-compressed."""
        return self.path.name.endswith(".gz")

    @property
    def is_text(self) -> bool:
        """The file is running text, not records."""
        return self.suffix in TEXT_SUFFIXES


def find_files(pattern: str, *, folder: Path, source: str) -> list[InputFile]:
    """Return the files that a path, folder or glob names, sorted.

    Relative paths begin at `folder`. A folder gives every supported file beneath it.
    Raises SourceError where nothing is found, a folder may not be entered, or a file is of an unknown kind.
    """
    try:
        return _find(pattern, folder=folder, source=source)
    except PermissionError as error:
        raise SourceError(
            f'source "{source}": the path cannot be followed: permission denied',
            where=pattern,
            found=f"a closed folder at {error.filename}",
            remedy="Give yourself the right to enter it.",
        ) from error


def _find(pattern: str, *, folder: Path, source: str) -> list[InputFile]:
    expanded = os.path.expanduser(pattern)  # noqa: PTH111  Path() would turn "./a" into "a"
    place = folder / expanded
    if place.is_dir():
        return _files_in(place, shown=pattern, source=source)
    if place.exists():
        return [_checked(InputFile(path=place.absolute(), shown=pattern), source)]
    if not re.search(r"[*?\[]", pattern):
        raise SourceError(
            f'source "{source}": no such file',
            where=pattern,
            found=_near(place),
            remedy=f"Correct sources.{source}.path; relative paths begin at {folder}.",
        )
    names = sorted(glob(expanded, root_dir=folder, recursive=True))  # noqa: PTH207  "**" finds files too
    files = [InputFile(path=(folder / name).absolute(), shown=name) for name in names]
    files = [file for file in files if not file.path.is_dir()]
    if not files:
        raise SourceError(
            f'source "{source}": the pattern matches no file',
            where=pattern,
            found=_near(place),
            remedy=f"Correct sources.{source}.path; relative paths begin at {folder}.",
        )
    return [_checked(file, source) for file in files]


def _files_in(place: Path, *, shown: str, source: str) -> list[InputFile]:
    files: list[InputFile] = []
    for parent, folders, names in os.walk(place, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            path = Path(parent, name).absolute()
            relative = path.relative_to(place.absolute()).as_posix()
            file = InputFile(path=path, shown=f"{shown.rstrip('/')}/{relative}")
            if file.suffix in SUFFIXES and not name.startswith("."):
                files.append(file)
    if not files:
        raise SourceError(
            f'source "{source}": the folder holds no file that can be read',
            where=shown,
            expected="files ending in " + ", ".join(SUFFIXES),
            remedy=f"Correct sources.{source}.path.",
        )
    return sorted(files, key=lambda file: file.shown)


def _refuse(error: OSError) -> None:
    raise SourceError(
        "the folder cannot be read",
        where=str(error.filename),
        found=error.strerror or str(error),
        remedy="Give yourself the right to read it.",
    ) from error


def _checked(file: InputFile, source: str) -> InputFile:
    if file.suffix in SUFFIXES and not (file.is_compressed and file.suffix == ".parquet"):
        return file
    raise SourceError(
        f'source "{source}": a file of unknown kind',
        where=file.shown,
        found=f'the name "{file.path.name}"',
        expected="a name ending in " + ", ".join(SUFFIXES) + ", all but .parquet also with .gz",
        remedy=f"Convert or rename the file, or narrow sources.{source}.path.",
    )


def _near(place: Path) -> str:
    """Return names like the first missing part of a path, from the folder where it is missing."""
    missing = place
    while not missing.parent.is_dir():
        missing = missing.parent
    parent = missing.parent
    names = sorted(path.name for path in parent.iterdir() if not path.name.startswith("."))
    near = get_close_matches(missing.name, names, n=3, cutoff=0.5)
    if near:
        return f"near names in {parent}: {', '.join(near)}"
    if not names:
        return f"nothing in {parent}"
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"in {parent}: {', '.join(names[:5])}{more}"

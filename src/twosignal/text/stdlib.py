"""Text that every machine has: takes nothing, gives the documentation and the source of this Python's own library.

Files are parsed, never imported or run. `Origin.file` is the path below the library with "python:" before it.
"""

import ast
import inspect
import os
import re
import sysconfig
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from twosignal.errors import SourceError
from twosignal.text.conversation import Document, Origin
from twosignal.text.sections import Piece

SKIPPED_FOLDERS = {"test", "tests", "idlelib", "lib2to3", "site-packages", "dist-packages", "_bundled"}
LOCAL_FILES = ("_sysconfigdata", "sitecustomize", "usercustomize")
"""Files that describe one machine, not the language."""
LEAST_CHARACTERS = 200
"""Of a document of source; shorter definitions are joined to the next."""
MOST_CHARACTERS = 4000
"""Of a document of source; longer definitions are cut at a method, a blank line or a line."""
LEAST_DOCSTRING = 60
"""Shorter docstrings say too little to learn from, in characters."""

Definition = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryFile:
    """One parsed file of the standard library."""

    name: str
    """Path below the library, with forward slashes."""
    text: str
    tree: ast.Module

    @property
    def module(self) -> str:
        """Dotted name of the module."""
        return self.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def document(self, text: str, *, source: str, line: int, domain: str) -> Document:
        """Return a whole document that was found at a line of this file."""
        origin = Origin(source=source, file=f"python:{self.name}", line=line)
        return Document(text=text, origin=origin, domain=domain)


def python_docs(source: str, *, root: Path | None = None) -> Iterator[Document]:
    """Yield docstrings, each under a line with its qualified name and signature, and the topics of `help()`.

    A docstring that stands in several places comes once. `root` is another folder than the library's own.
    """
    seen: set[str] = set()
    for file in library_files(root):
        found = _topics(file) if file.module == "pydoc_data.topics" else _docstrings(file)
        for heading, text, line in found:
            if len(text) >= LEAST_DOCSTRING and text not in seen:
                seen.add(text)
                yield file.document(f"{heading}\n\n{text}\n", source=source, line=line, domain="python-docs")


def python_source(source: str, *, root: Path | None = None) -> Iterator[Document]:
    """Yield the library's own code, cut before definitions into documents of 200 to 4,000 characters.

    `root` is another folder than the library's own.
    """
    seen: set[str] = set()
    for file in library_files(root):
        if file.module == "pydoc_data.topics":
            continue
        for piece in source_pieces(file):
            if piece.text not in seen:
                seen.add(piece.text)
                document = file.document(piece.text, source=source, line=piece.line, domain="python-source")
                yield replace(document, is_start=piece.is_start, is_end=piece.is_end)


def library_files(root: Path | None = None) -> Iterator[LibraryFile]:
    """Yield the parsed files of the standard library in the order of their names.

    Raises SourceError where this Python came without the sources of its library.
    """
    folder = root or Path(sysconfig.get_path("stdlib"))
    names = sorted(_names_in(folder))
    if not names:
        raise SourceError(
            "this Python came without the sources of its library",
            where=str(folder),
            remedy="Give files of your own as the source's path.",
        )
    for name in names:
        try:
            text = _read(folder / name)
            with warnings.catch_warnings():
                # An old escape in the library is not the user's concern.
                warnings.simplefilter("ignore")
                tree = ast.parse(text)
        except (SyntaxError, UnicodeDecodeError):
            # Distributions put files for other Python versions beside the library.
            continue
        yield LibraryFile(name=name, text=text, tree=tree)


def source_pieces(file: LibraryFile) -> Iterator[Piece]:
    """Yield a file's code cut before its top-level definitions; a last scrap that fits nowhere is left out.

    A piece that begins or ends inside a definition says so.
    """
    text = file.text
    line_starts = [0, *(newline.end() for newline in re.finditer("\n", text))]
    definitions = list(_definitions(file.tree.body))
    outer = [line_starts[_first_line(node) - 1] for node in definitions]
    inner = [
        line_starts[_first_line(node) - 1]
        for parent in definitions
        for node in parent.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    blank = [end for begin, end in pairwise(line_starts) if not text[begin:end].strip()]
    whole = {0, len(text), *outer}
    start, line = 0, 1
    while len(text) - start >= LEAST_CHARACTERS:
        end = _document_end(start, len(text), outer=outer, others=(inner, blank, line_starts))
        piece = Piece(
            text=text[start:end], start=start, line=line, is_start=start in whole, is_end=end in whole
        )
        if piece.text.strip():
            yield piece
        start, line = end, line + piece.text.count("\n")


def _document_end(start: int, length: int, *, outer: list[int], others: tuple[list[int], ...]) -> int:
    least, most = start + LEAST_CHARACTERS, start + MOST_CHARACTERS
    near = [place for place in outer if least <= place <= most and length - place >= LEAST_CHARACTERS]
    if near:
        return near[0]
    if length <= most:
        return length
    for places in others:
        far = [place for place in places if least <= place <= most]
        if far:
            return far[-1]
    return most


def _first_line(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _names_in(root: Path) -> Iterator[str]:
    for parent, folders, names in os.walk(root):
        # Pruned, because installed packages may lie beneath the library in their thousands.
        folders[:] = [
            name for name in folders if name not in SKIPPED_FOLDERS and not name.startswith("config-")
        ]
        for name in names:
            path = Path(parent, name)
            if name.endswith(".py") and not name.startswith(LOCAL_FILES) and path.is_file():
                yield path.relative_to(root).as_posix()


def _read(path: Path) -> str:
    with tokenize.open(path) as stream:
        return stream.read()


def _docstrings(file: LibraryFile) -> Iterator[tuple[str, str, int]]:
    yield from _documented(file.tree, file.module)


def _documented(node: Definition, name: str) -> Iterator[tuple[str, str, int]]:
    """Yield (heading, docstring, line) of a definition and of all that it contains, functions' insides left out."""
    text = ast.get_docstring(node, clean=False)
    if text is not None:
        yield _heading(node, name), inspect.cleandoc(text), node.body[0].lineno
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        for child in _definitions(node.body):
            yield from _documented(child, f"{name}.{child.name}")


def _definitions(body: list[ast.stmt]) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        elif isinstance(node, ast.If | ast.Try):
            yield from _definitions([*node.body, *node.orelse])


def _heading(node: Definition, name: str) -> str:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return f"{name}({ast.unparse(node.args)})"
    return f"class {name}" if isinstance(node, ast.ClassDef) else f"module {name}"


def _topics(file: LibraryFile) -> Iterator[tuple[str, str, int]]:
    for node in ast.walk(file.tree):
        if not isinstance(node, ast.Dict):
            continue
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(value, ast.Constant):
                yield f"help({key.value!r})", inspect.cleandoc(str(value.value)), key.lineno

"""Takes this Python's library and a small one made up, checks the documents cut from them and their lines."""

import sysconfig
from itertools import islice
from pathlib import Path

import pytest

from twosignal.errors import SourceError
from twosignal.text.conversation import Document
from twosignal.text.stdlib import library_files, python_docs, python_source

MODULE = '''"""First line of a module that explains itself at enough length to be kept.

    More.
"""

class Shape:
    """A shape in the plane, of which there are so many that we name only two."""

    @property
    def area(self, *, unit: str = "m"):
        """Return the area; every subclass has its own idea of how this is done."""

try:
    fast = 1
except ImportError:
    pass
else:
    def draw(shape, /, *colours):
        """Draw the shape in as many colours as are given, one after the other."""

def twin():
    """Draw the shape in as many colours as are given, one after the other."""

def short():
    """Too short."""
'''


@pytest.fixture
def library(tmp_path: Path) -> Path:
    def write(name: str, text: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    write("shapes/__init__.py", MODULE)
    write("shapes/old.py", "print 'an older Python'\n")
    for skipped in (
        "test/a.py",
        "site-packages/b.py",
        "idlelib/c.py",
        "_sysconfigdata_x.py",
        "config-3/d.py",
    ):
        write(skipped, MODULE.replace("Draw", "Skip"))
    write(
        "pydoc_data/topics.py",
        "topics = {'if': '''The if statement\\n****************\\n\\n" + "It chooses. " * 9 + "'''}\n",
    )
    return tmp_path


def test_docs_carry_names_signatures_and_lines(library: Path) -> None:
    found = [(doc.text.split("\n")[0], str(doc.origin)) for doc in python_docs("s", root=library)]
    assert found == [
        ("help('if')", "python:pydoc_data/topics.py:1"),
        ("module shapes", "python:shapes/__init__.py:1"),
        ("class shapes.Shape", "python:shapes/__init__.py:7"),
        ("shapes.Shape.area(self, *, unit: str='m')", "python:shapes/__init__.py:11"),
        ("shapes.draw(shape, /, *colours)", "python:shapes/__init__.py:19"),
    ]


def test_docs_are_cleaned(library: Path) -> None:
    (module,) = [doc for doc in python_docs("s", root=library) if doc.text.startswith("module shapes")]
    assert module.text == (
        "module shapes\n\nFirst line of a module that explains itself at enough length to be kept.\n\nMore.\n"
    )
    assert (module.domain, module.origin.source) == ("python-docs", "s")


def test_source_is_cut_before_definitions(tmp_path: Path) -> None:
    body = "".join(f"    total += {n}\n" for n in range(20))
    text = "import os\n\n" + "".join(
        f"@os.cache\ndef f{n}(total):\n{body}    return total\n\n" for n in range(3)
    )
    (tmp_path / "a.py").write_text(text)
    found = list(python_source("s", root=tmp_path))
    assert "".join(doc.text for doc in found) == text
    assert [doc.text.splitlines()[0] for doc in found] == ["import os", "@os.cache", "@os.cache"]
    assert [doc.origin.line for doc in found] == [1, 27, 51]
    assert all(doc.is_start and doc.is_end for doc in found)


def test_long_classes_are_cut_at_methods_and_say_so(tmp_path: Path) -> None:
    method = "    def m{n}(self):\n" + "        self.x = 1\n" * 30 + "\n"
    text = "class Long:\n" + "".join(method.replace("{n}", str(n)) for n in range(20))
    (tmp_path / "a.py").write_text(text)
    found = list(python_source("s", root=tmp_path))
    assert "".join(doc.text for doc in found) == text
    assert len(found) == 4
    assert all(doc.text.startswith("    def m") for doc in found[1:])
    assert [doc.is_start for doc in found] == [True, False, False, False]
    assert [doc.is_end for doc in found] == [False, False, False, True]


def test_source_without_breaks_is_cut_anywhere_and_scraps_are_left(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = '" + "y" * 4100 + "'\n")
    (tmp_path / "b.py").write_text("x = 1\n")
    assert [len(doc.text) for doc in python_source("s", root=tmp_path)] == [4000]


def test_form_feeds_do_not_shift_lines(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n\x0c\n" + "# comment\n" * 30 + "def f():\n" + "    pass\n" * 40)
    _, second = python_source("s", root=tmp_path)
    assert second.text.startswith("def f()")
    assert second.origin.line == 33


def test_a_library_without_sources_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="this Python came without the sources of its library"):
        list(library_files(tmp_path))


@pytest.fixture(scope="module")
def docs() -> list[Document]:
    return list(islice(python_docs("s"), 1000))


def real_line(document: Document) -> str:
    path = Path(sysconfig.get_path("stdlib"), document.origin.file.removeprefix("python:"))
    return path.read_text(encoding="utf-8").split("\n")[document.origin.line - 1]


def test_this_python_documents_itself_at_length(docs: list[Document]) -> None:
    assert len(docs) == len({doc.fingerprint for doc in docs}) == 1000
    assert sum(len(doc.text) for doc in docs) > 300_000
    assert not any(doc.origin.file.startswith(("python:test/", "python:site-packages/")) for doc in docs)


def test_real_documentation_stands_where_it_says(docs: list[Document]) -> None:
    (parser,) = [doc for doc in docs if doc.text.startswith("class argparse.ArgumentParser\n")]
    assert parser.origin.file == "python:argparse.py"
    assert real_line(parser).strip().startswith('"""Object for parsing command line strings')


def test_real_source_stands_where_it_says() -> None:
    found = list(islice(python_source("s"), 400))
    assert sum(len(doc.text) for doc in found) > 200_000
    assert all(200 <= len(doc.text) <= 4000 for doc in found)
    assert len({doc.fingerprint for doc in found}) == 400
    assert all(doc.text.startswith(real_line(doc)) for doc in found if doc.origin.line > 1)

"""The files of the pages: what a run's page is made of is asked for at once, not one module after the other."""

import re

from twosignal.dashboard.assets import PAGES

IMPORT = re.compile(r'^(?:import|export) [^;]*?from "(\.[^"]+)";', re.MULTILINE)
IN_PAGE = re.compile(r'<(?:script src|link rel="modulepreload" href)="(js/[^"]+)"')


def modules_behind(name: str) -> set[str]:
    """Return a module of js/ and all that it imports, however far."""
    found, waiting = set[str](), [(PAGES / name).resolve()]
    while waiting:
        path = waiting.pop()
        here = path.relative_to(PAGES.resolve()).as_posix()
        if here not in found:
            found.add(here)
            waiting += [(path.parent / one).resolve() for one in IMPORT.findall(path.read_text("utf-8"))]
    return found


def test_every_module_of_a_runs_page_is_named_in_the_page_itself() -> None:
    named = IN_PAGE.findall((PAGES / "index.html").read_text("utf-8"))
    assert len(named) == len(set(named))
    assert set(named) == modules_behind("js/early.js") | modules_behind("js/app.js")
    assert len(named) > 10

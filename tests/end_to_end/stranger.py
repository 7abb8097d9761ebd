"""An example as a stranger runs it: takes its file and an empty folder, gives what it printed; it must end well."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


def played(name: str, folder: Path, *, timeout: float) -> str:
    """Run an example in a process of its own, its temporary files in `folder`; return its standard output."""
    ended = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "TMPDIR": str(folder)},
        timeout=timeout,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout

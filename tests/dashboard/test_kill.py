"""The server under kill -9: nothing that it shows is torn, missing, or other than the records."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.slow
def test_200_kills_of_writer_and_server_show_no_torn_record_and_lose_no_step(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, HERE / "server_trial.py", tmp_path, "200", "0.03"],
        env=os.environ | {"PYTHONPATH": str(HERE.parent / "records")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["writer"] + found["server"] >= 200
    assert min(found["writer"], found["server"]) > 50
    assert found["steps"] > 20
    assert found["answers"] > 1000

"""What cases do to saved runs, and ask of them: takes the folder of a case's runs."""

import json
import shutil
from pathlib import Path
from typing import Any

STATE = Path(__file__).parent / "zombie_state.json"


def plant_zombie(runs: str) -> str:
    """Leave the one run as a kill after its first checkpoint would, with another run's curriculum in that checkpoint.

    Return the run's folder.
    """
    run = _the_run(runs)
    first, *later = sorted((run / "checkpoints").glob("step-*"))
    for folder in later:
        shutil.rmtree(folder)
    lines = (run / "events.jsonl").read_bytes().splitlines(keepends=True)
    (run / "events.jsonl").write_bytes(b"".join(lines[:-1]))
    (run / "heartbeat.json").unlink()
    state: dict[str, Any] = json.loads((first / "state.json").read_text(encoding="utf-8"))
    zombie = json.loads(STATE.read_text(encoding="utf-8"))
    state["steering"]["curriculum"] |= zombie
    (first / "state.json").write_text(json.dumps(state), encoding="utf-8")
    return str(run)


def steps_lost(runs: str) -> int:
    """Return how many steps the one run took after its newest checkpoint."""
    run = _the_run(runs)
    saved = max(int(path.name.split("-")[1]) for path in (run / "checkpoints").glob("step-*"))
    heartbeat = json.loads((run / "heartbeat.json").read_text(encoding="utf-8"))
    return int(heartbeat["step"]) - saved


def _the_run(runs: str) -> Path:
    [run] = [path for path in Path(runs).iterdir() if not path.name.startswith(".")]
    return run

"""Whether a warmup phase was kept: takes the steps of a window and the run file's curriculum, gives an alarm where it was not.

The live run says the same of every step (`curriculum/health.py`); here it is told from the records alone.
"""

from collections.abc import Mapping

import numpy as np

from twosignal.audits.finding import Finding
from twosignal.records.columns import Rows, source_column, sources_of


def warmup_findings(rows: Rows, curriculum: Mapping[str, object]) -> tuple[Finding, ...]:
    """Return an alarm for every source that gave tokens in a step of the warmup that was not meant for it.

    rows: step columns, shape [steps]; curriculum: the `[curriculum]` table as stored with the run.
    """
    steps, chosen = curriculum.get("warmup", 0), curriculum.get("warmup_sources", [])
    if not isinstance(steps, int) or not isinstance(chosen, list) or not steps or not chosen:
        return ()
    early = rows[rows["step"] <= steps]
    late = [name for name in sources_of(rows.dtype.names or ()) if name not in chosen]
    return tuple(
        finding for name in late if (finding := _violation(early, name, warmup_steps=steps)) is not None
    )


def _violation(early: Rows, source: str, *, warmup_steps: int) -> Finding | None:
    drawn = early["step"][early[source_column("tokens", source)] > 0]
    if not len(drawn):
        return None
    return Finding(
        id="outside-warmup",
        severity="alarm",
        message=f"step {int(drawn[0]):,} drew {source}, which the warmup of {warmup_steps:,} steps leaves out; "
        f"{len(drawn):,} such steps in this window",
        evidence={"source": source, "steps": len(drawn), "warmup_steps": warmup_steps},
        steps=tuple(int(step) for step in np.unique(drawn)[:20]),
        remedy="Whatever serves the rows does not follow the curriculum: stop, and go on from a checkpoint before.",
    )

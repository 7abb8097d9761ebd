"""From an earlier run into this one: takes its saved curriculum and a mode per arm, gives this run its evidence, and says so."""

from collections.abc import Mapping
from typing import Any

from twosignal.curriculum.curriculum import Curriculum
from twosignal.curriculum.policy import Carries, Choice, Mode
from twosignal.curriculum.saved import Zombie, origin_of, zombies
from twosignal.errors import InputError

DEFAULT_MODE: Mode = "decay"


def carry_over(
    curriculum: Curriculum, state: Mapping[str, Any], modes: Mapping[str, Mode] | None = None
) -> Choice:
    """Let a curriculum that has not begun learn from what another run, or this run under another run file, had learned.

    Arms without a mode decay. Arms that the state does not know, that are disabled here, or whose weight in it is no
    share start as if never drawn, whatever their mode: that is how zombies are made. What operator and gate had set does
    not come along, and is named. Raises RunError when the state is none, InputError on a mode for an unknown source.
    """
    modes = dict(modes or {})
    if unknown := [name for name in modes if name not in curriculum.arms]:
        message = f"the run has no source {unknown[0]} to carry evidence for"
        raise InputError(message, expected=f"some of {', '.join(curriculum.arms)}")
    dead = {zombie.arm: zombie for zombie in zombies(state, list(curriculum.arms.values()), origin_of(state))}
    taken: dict[str, Mode] = {
        name: "reset" if name in dead or name not in state["shares"] else modes.get(name, DEFAULT_MODE)
        for name in curriculum.arms
    }
    is_same, can_carry = state["policy"].get("name") == curriculum.policy.name, False
    if is_same and isinstance(curriculum.policy, Carries):
        can_carry = True
        curriculum.policy.carry(state["policy"]["state"], taken)
    if can_carry:
        said = ", ".join(f"{name} {mode}" for name, mode in taken.items())
    else:
        said = "nothing, the policy starts cold"
    run = origin_of(state).run or "unknown"
    reason = "; ".join([f"from run {run}, step {state.get('step')}: {said}", *_left_behind(state, dead)])
    return curriculum.note("resume", reason, {"run": run, "modes": taken})


def _left_behind(state: Mapping[str, Any], dead: Mapping[str, Zombie]) -> list[str]:
    """Name what does not come along: dead weights, and what was set by hand."""
    said = [f"left behind: {zombie.sentence()}" for zombie in dead.values()]
    overrides = state.get("overrides")
    for name, override in overrides.items() if isinstance(overrides, Mapping) else ():
        share = override.get("share") if isinstance(override, Mapping) else None
        said.append(f"{name} was set to {share} by hand there, and is not here")
    return said

"""Which layers mix tokens that must not meet: takes a model and two runs of a row, gives the layers by type and class.

Nothing is looked up by name. A layer mixes if what it is given is the same in both runs, at
the tokens that must not change, and what it gives is not.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

NUMBERED = re.compile(r"\.(?:layers|h|blocks?|layer)\.(\d+)\.")
MOST_NAMED = 3
"""Kinds of layers that a sentence names."""

Trace = dict[str, tuple[list[Tensor], list[Tensor]]]
"""What each module was given and what it gave, at the tokens asked for, each [tokens, width]."""


def traced(model: nn.Module, run: Callable[[], Any], kept: Tensor) -> Trace:
    """Run the model once and return what went in and out of its modules at the kept tokens, bool [tokens].

    Modules that see a row as anything but [1, tokens, ...] are left out.
    """
    with torch.no_grad(), _recording(model, kept) as trace:
        run()
    return trace


def mixing_layers(model: nn.Module, before: Trace, after: Trace, *, tolerance: float) -> list[str]:
    """Return the innermost modules that were given the same and gave something else, as "type (class)".

    tolerance: share of the largest value that counts as the same.
    """
    modules = dict(model.named_modules())
    own = [name for name, module in modules.items() if not type(module).__module__.startswith("torch.")]
    seen = [name for name in own if name in before and name in after]
    mixing = [name for name in seen if _mixes(before[name], after[name], tolerance)]
    innermost = [name for name in mixing if not any(other.startswith(f"{name}.") for other in mixing if name)]
    found = [_described(model, name, modules[name]) for name in innermost if name]
    return list(dict.fromkeys(found))[:MOST_NAMED]


def _mixes(
    before: tuple[list[Tensor], list[Tensor]], after: tuple[list[Tensor], list[Tensor]], tolerance: float
) -> bool:
    given, gave = (_differ(a, b, tolerance) for a, b in zip(before, after, strict=True))
    return not given and gave


def _differ(some: list[Tensor], others: list[Tensor], tolerance: float) -> bool:
    for a, b in zip(some, others, strict=False):
        if a.shape == b.shape and float((a - b).abs().max()) > tolerance * float(a.abs().max()):
            return True
    return False


def _described(model: nn.Module, name: str, module: nn.Module) -> str:
    config: Any = model.config
    fields = ("layer_types", "layers_block_type", "block_types")
    kinds = next(
        (found for field in fields if (found := getattr(config.get_text_config(), field, None))), None
    )
    numbered = NUMBERED.search(f".{name}.")
    place = int(numbered[1]) if numbered else -1
    kind = type(module).__name__
    return f"{kinds[place]} ({kind})" if kinds and 0 <= place < len(kinds) else kind


@contextmanager
def _recording(model: nn.Module, kept: Tensor) -> Iterator[Trace]:
    trace: Trace = {}

    def hook_of(name: str) -> Callable[..., None]:
        def note(_: nn.Module, *seen: Any) -> None:  # noqa: ANN401 (what torch hands to hooks)
            given, named, gave = seen
            found = _tensors([*given, *named.values()], kept), _tensors(gave, kept)
            if name not in trace and all(found):
                trace[name] = found

        return note

    hooks = [
        module.register_forward_hook(hook_of(name), with_kwargs=True)
        for name, module in model.named_modules()
    ]
    try:
        yield trace
    finally:
        for hook in hooks:
            hook.remove()


def _tensors(values: Any, kept: Tensor) -> list[Tensor]:  # noqa: ANN401 (what modules pass each other)
    """Return the tensors [1, tokens, ...] among the values, at the kept tokens."""
    flat = values.values() if isinstance(values, dict) else values
    flat = [flat] if isinstance(flat, Tensor) else flat
    if not isinstance(flat, list | tuple) and not hasattr(flat, "__iter__"):
        return []
    rows = [x for x in flat if isinstance(x, Tensor) and x.ndim > 1 and x.shape[:2] == (1, len(kept))]
    return [row[0][kept].float() for row in rows if not row.is_complex()]

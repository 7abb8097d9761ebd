"""Train language models on two signals: takes conversations and documents, gives a model whose loss can be trusted.

    sources -> text/ -> tokens/ -> packs/ -> model/ -> train/ -> records/ -> audits/ -> verdict

The names below mirror the commands; each imports its room when it is first used.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"
__all__ = [
    "StepLog",
    "TwoSignalCallback",
    "audit",
    "backtest",
    "open_run",
    "prove",
    "prove_trainer",
    "read_log",
    "score",
    "train",
]

_FUNCTIONS = {
    "TwoSignalCallback": ("twosignal.callbacks.huggingface", "TwoSignalCallback"),
    "audit": ("twosignal.audits.run_audit", "audit_run"),
    "backtest": ("twosignal.commands.backtest", "backtest_path"),
    "open_run": ("twosignal.records.reader", "open_run"),
    "read_log": ("twosignal.records.steplog", "read_log"),
    "score": ("twosignal.audits.degeneration", "score"),
    "StepLog": ("twosignal.records.steplog", "StepLog"),
    "prove_trainer": ("twosignal.prove.trainer.proof", "prove_trainer"),
}
_CALLABLE_ROOMS = ("prove", "train")


def __getattr__(name: str) -> Any:  # noqa: ANN401 (functions of several kinds)
    """Import a public name when it is asked for, so that `import twosignal` costs nothing."""
    if name in _CALLABLE_ROOMS:
        return import_module(f"twosignal.{name}")
    if name not in _FUNCTIONS:
        message = f"module 'twosignal' has no attribute {name!r}"
        raise AttributeError(message)
    module, attribute = _FUNCTIONS[name]
    return getattr(import_module(module), attribute)

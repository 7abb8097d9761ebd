"""Rooms that are called like the command of the same name: takes a package, makes `twosignal.train(config)` work.

The package stays what it is: `twosignal.train.loop` is imported as ever.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType

_COMMANDS = {
    "twosignal.prove": ("twosignal.commands.prove", "prove_file"),
    "twosignal.train": ("twosignal.commands.train", "train_file"),
}


class Door(ModuleType):
    """A package that can be called; the function behind it is imported when it is."""

    def __call__(self, *arguments: object, **named: object) -> object:
        """Do what the command does; `function` has the documentation."""
        return self.function(*arguments, **named)

    @property
    def function(self) -> Callable[..., object]:
        """The function that a call of the package runs."""
        module, name = _COMMANDS[self.__name__]
        found: Callable[..., object] = getattr(import_module(module), name)
        return found


def open_door(package: str) -> None:
    """Make an imported package callable."""
    sys.modules[package].__class__ = Door

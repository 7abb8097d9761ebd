"""Learning: takes rows and a model, gives steps, probes, samples and checkpoints, every one of them recorded."""

from twosignal.doors import open_door

open_door(__name__)

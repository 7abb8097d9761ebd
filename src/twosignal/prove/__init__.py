"""Before step one: takes the prepared rows and the real model, gives a receipt of every check, or a refusal that says why."""

from twosignal.doors import open_door

open_door(__name__)

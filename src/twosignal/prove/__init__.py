"""Before step one: takes the prepared rows and the real model, gives a receipt of every check, or a refusal that says why."""

"""One module per command: takes parsed arguments, prints a result, gives an exit code."""

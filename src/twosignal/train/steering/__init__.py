"""The curriculum in a run: takes a setup, steps, probes and an operator's requests, gives the shares that rows are drawn by."""

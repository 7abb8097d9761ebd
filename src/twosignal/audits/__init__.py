"""What a run's records say about the run: takes samples, probes and step losses, gives findings and a verdict."""

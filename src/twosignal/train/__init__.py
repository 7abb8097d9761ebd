"""Learning: takes rows and a model, gives steps, probes, samples and checkpoints, every one of them recorded."""

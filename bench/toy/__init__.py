"""A small world and a small network for benchmarks of the curriculum."""

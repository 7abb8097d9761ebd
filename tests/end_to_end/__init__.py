"""Whole commands on tiny corpora: what a user meets, from the run file to the run folder."""

"""How it is laid out: takes examples, gives packed rows whose targets are aligned once.

Packing is a permutation: every token of every example stands in exactly one row of an
epoch, or is counted as lost with its cause.
"""

"""Which source next: takes the run file's policy and the sources' sizes, gives the source of every row, with the reason."""

"""What happened: takes steps and events from a run, gives a folder that can be followed, compared and trusted.

`writer` appends, `reader` reads, and neither needs torch. A record is never overwritten: a run that is
resumed or rolled back writes behind what stands there (see `lineage`).
"""

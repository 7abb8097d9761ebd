"""What a run looks like: takes a folder of runs, gives pages and JSON that follow them while they are written.

It reads records and never writes to a run. The shapes of the JSON are in docs/dashboard-api.md.
"""

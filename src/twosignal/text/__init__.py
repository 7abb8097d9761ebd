"""What is said: files, hub datasets and generators come in, `Conversation` and `Document` go out, each with its origin.

A `corpus.SourceReader` streams one source of a run file and says of every record whether it is held out.
"""

"""Generated text whose truth can be checked: names come in, the same conversations and lists go out on every machine.

`script` plays templates and reads them back; the other modules hold the scripts, and one trap for curricula.
"""

"""Other people's trainers: takes a transformers or TRL trainer as its owner built it, gives the receipt of our proof.

`proof.prove_trainer` is the whole; `trial` runs what is theirs, `batches` cuts their batches into
pieces, `reading` reads conversations back from tokens, and each other module asks one kind of question.
"""

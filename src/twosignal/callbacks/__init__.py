"""Other people's trainers: takes what their models really get and give, gives the findings of our monitors.

huggingface.py  a callback for transformers' Trainer and TRL's trainers
witness.py      hooks on the model: what every forward pass was given, and what its loss was
rows.py         a tap on the collator: what the rows carry before anything was made of them
step.py         the figures of one step, from its forward passes
"""

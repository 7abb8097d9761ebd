"""The network: takes a preset or a saved model, gives hidden states of packed rows, logits, and generated text.

Every model is a transformers class with this package's own attention in it: documents packed
into one row never see each other, on any device, and no dense mask is ever built.
"""

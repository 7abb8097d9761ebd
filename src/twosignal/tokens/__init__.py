"""What is learned from: conversations and documents come in, `Example` goes out, ids with the mask born beside them.

`training.train_tokenizer` grows a tokenizer, `pretrained.load_tokenizer` reads a saved one,
`render.Renderer` renders, `show` shows what came out.
"""

"""Reading a model's attention: how much a query's tokens look at each token of some documents.

`reader.Reader` is the way in. `tap` looks at llama.cpp's graph while it is computed, `flash` computes the weights that
flash attention never writes down, `probe` checks at load that all that is what we think it is. `document_kv` keeps what
was computed of documents.
"""

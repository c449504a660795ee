"""Reading a model's attention: how much a query's tokens look at each token of some documents.

`reader.Reader` is the way in. `tap` looks at llama.cpp's graph while it is computed, `flash` computes the weights that
flash attention never writes down, `probe` checks that all that is what we think it is. `document_kv` keeps what was
computed of documents.

An engine makes its reader, and so runs the probe, when attention is first read or `LlamaEngine.check_attention` is
called, not when the model is loaded: it takes a second context, which whoever only generates should not pay for.
"""

"""One file per family of documents, from a path to `Loaded`."""

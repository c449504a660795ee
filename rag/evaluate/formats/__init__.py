"""The forms that datasets are published in, a module each."""

"""The questions that `check` asks of a graph, one module for each kind."""

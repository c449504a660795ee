"""From a checked graph to one that runs on langgraph."""

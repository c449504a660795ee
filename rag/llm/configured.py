"""A context in which Runnables have a configuration, as within a chain; for what LangChain calls without one."""

from __future__ import annotations

from contextvars import Context, copy_context

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config


def configured(config: RunnableConfig) -> Context:
    """A copy of this context in which Runnables are called with `config`, beside what they would be called with."""
    context = copy_context()
    around = var_child_runnable_config.get() or RunnableConfig()
    context.run(var_child_runnable_config.set, around | config)
    return context

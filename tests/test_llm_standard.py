"""LangChain's standard tests for chat models, on the embedded model."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests
from ragloom.rag.llm import ChatLocal

pytestmark = pytest.mark.model


class TestChatLocalUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatLocal

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"n_ctx": 256}


class TestChatLocalIntegration(ChatModelIntegrationTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatLocal

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"n_ctx": 1024}

    @property
    def structured_output_kwargs(self) -> dict[str, Any]:
        return {"temperature": 1.0, "seed": 1}  # at 0 so small a model repeats itself within a string until it is cut

    @property
    def supports_model_override(self) -> bool:
        return False

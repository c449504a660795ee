"""LangChain's standard tests for chat models, on the embedded model."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from langchain_core.exceptions import OutputParserException
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
        """At temperature 0, and without a penalty, so small a model may repeat itself until it is cut off."""
        asked = {"n_ctx": 2048, "max_tokens": 300, "temperature": 0.7, "frequency_penalty": 0.5, "seed": 3}
        return {**asked, "batch_invariant": True}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supported_usage_metadata_details(
        self,
    ) -> dict[
        Literal["invoke", "stream"],
        list[Literal["audio_input", "audio_output", "reasoning_output", "cache_read_input", "cache_creation_input"]],
    ]:
        return {"invoke": ["cache_read_input"], "stream": ["cache_read_input"]}

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> Any:
        llm = ChatLocal(**self.chat_model_params)
        llm.invoke("Name three colours.")
        if not stream:
            return llm.invoke("Name three colours.")
        first, *rest = llm.stream("Name three colours.")
        return first + rest

    @property
    def supports_model_override(self) -> bool:
        return False  # the weights are loaded once; another model is another ChatLocal

    @pytest.mark.xfail(
        reason="whether a model of 135M parameters writes the two names that it is told, where no schema holds it to "
        "them, is luck, which another CPU's rounding changes; that it writes JSON is in tests/test_llm_structured.py",
        raises=OutputParserException,
        strict=False,
    )
    def test_json_mode(self, model: BaseChatModel) -> None:
        super().test_json_mode(model)

    @pytest.mark.xfail(
        reason="free to answer or to call, a model of 135M parameters tells the weather in prose instead of calling; "
        "after examples it calls, see tests/test_llm_tools.py",
        raises=AssertionError,
        strict=True,
    )
    @pytest.mark.parametrize("model", [{}, {"output_version": "v1"}], indirect=True)
    def test_agent_loop(self, model: BaseChatModel) -> None:
        super().test_agent_loop(model)

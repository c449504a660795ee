"""LLM agents with a role; the first will be MAIN-RAG's, which filter documents. There are none yet."""

"""LLM agents with a role. They arrive with the document-filter agents (MAIN-RAG)."""

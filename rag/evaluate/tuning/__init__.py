"""Tuning: search a graph's settings on a budget, and tell honestly what it brought."""

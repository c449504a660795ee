"""The report of an evaluation: one HTML file with plots, which needs neither network nor scripts."""

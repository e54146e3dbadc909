"""Measures of how well one task's features serve another; they see features and labels."""

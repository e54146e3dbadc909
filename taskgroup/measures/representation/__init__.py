"""Measures that compare what single-task networks make of common inputs; they see their features."""

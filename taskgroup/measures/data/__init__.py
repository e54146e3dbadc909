"""Measures that need no network; they see inputs and labels."""

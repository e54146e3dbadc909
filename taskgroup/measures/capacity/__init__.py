"""Measures that take something away from a trained shared network and see which tasks suffer together."""

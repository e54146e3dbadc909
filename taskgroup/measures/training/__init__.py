"""Measures that look at losses and gradients in the course of a joint training; they see a probe of the network."""

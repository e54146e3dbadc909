"""Networks as Python source: constructors, forward passes and classes; knows torch and nothing of files."""

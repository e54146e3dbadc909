"""Data readers, one a file; outsiders add theirs through the entry-point group ``taskgroup.readers``."""

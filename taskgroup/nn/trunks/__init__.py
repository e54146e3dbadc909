"""Built-in trunks, one a file; outsiders add theirs through the entry-point group ``taskgroup.trunks``."""

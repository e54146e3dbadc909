"""Cuts encoders of the transformers library into stages, by watching what they do; imports that library only to build.

A model of that library is a list of layers with something before it (embeddings, masks, positions) and something after
it (a norm, a pooler). No table says how each of them calls its layers: one forward pass is watched, each layer's
arguments are traced to where they come from, and the chain of stages is compared with the model, to the bit. A model
that does more between its layers is refused, with the argument it fails on.
"""

from taskgroup.nn.huggingface.trunk import TransformerTrunk, assembled, transformer_trunk

__all__ = ["TransformerTrunk", "assembled", "transformer_trunk"]

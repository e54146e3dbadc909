"""What adapters behind a stage have in common: they change each feature, or channel, the same way at every position."""

from taskgroup.adapters import Shape, Site
from taskgroup.errors import InputError


def features_fault(kind: str, shape: Shape) -> str:
    """Why an adapter of ``kind`` cannot stand behind examples of ``shape``; empty where it can."""
    if len(shape) in (1, 2, 3):
        return ""
    return (
        f"adapter: {kind} works on features (F,), tokens (L, F) or maps (C, H, W), found a stage of shape {shape}; "
        "leave the stage out"
    )


def n_features(kind: str, site: Site) -> int:
    """Features of tokens, channels of maps.

    Raises:
        InputError: Examples of another shape.
    """
    fault = features_fault(kind, site.shape)
    if fault:
        raise InputError(fault)
    return site.shape[0] if len(site.shape) == 3 else site.shape[-1]

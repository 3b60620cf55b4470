"""The cases, each one small function that is both the test and the generator of a vector.

A module for each file of `bbdg_ref.spec`, or for a few. The name of a case is the id of its vector, its docstring the
comment, and neither changes its meaning once it is published: a case that turns out wrong is left out of a new version,
and a better one gets a new name. Importing this package registers them; nothing is computed before `vectors` is called.
"""

from . import (
    activation,
    block,
    composed,
    convolution,
    estimators,
    inference,
    learning,
    normalization,
    packed,
    pooling,
    projection,
    pruning,
    restricted,
    strategies,
    weighted,
    weights,
)

__all__ = [
    "projection",
    "restricted",
    "weighted",
    "pruning",
    "strategies",
    "composed",
    "estimators",
    "weights",
    "convolution",
    "normalization",
    "activation",
    "pooling",
    "learning",
    "packed",
    "block",
    "inference",
]

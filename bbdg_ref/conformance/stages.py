"""The stages: the functions that an implementation may have, with the names and kinds of what goes in and comes out.

They stand in the order of `bbdg_ref/spec/`. Arrays are (batch, channels, height, width), weights (out, in, kernel
height, kernel width); strides, paddings and sizes are two integers, vertical and horizontal.
"""

from .layer_stages import LAYER_STAGES
from .network_stages import NETWORK_STAGES
from .schema import schema
from .stage import KINDS, Field, Stage
from .weight_stages import WEIGHT_STAGES

__all__ = ["KINDS", "STAGES", "Field", "Stage", "schema"]

STAGES: dict[str, Stage] = {stage.name: stage for stage in (*WEIGHT_STAGES, *LAYER_STAGES, *NETWORK_STAGES)}

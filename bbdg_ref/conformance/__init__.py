"""The conformance kit: test vectors for implementations of the method in any language, and the run that applies them.

Every vector comes from one small function in `cases/`, which is both the test and its generator; its outputs are
computed by `bbdg_ref.spec`. The committed files in ``data/vectors/v1/`` are frozen copies. A vector has an id that
never changes its meaning, a comment, flags that name the bugs it hunts, and for every output either ``exact`` or a
bound in units of the last place. ``python -m bbdg_ref.conformance`` runs them against an implementation.
"""

from . import cases as _cases  # registers the cases
from .compare import differences
from .files import read, write
from .flags import FLAGS
from .registry import vectors
from .stages import STAGES, Stage
from .vector import EXACT, Bound, Vector

__all__ = ["EXACT", "FLAGS", "STAGES", "Bound", "Stage", "Vector", "differences", "read", "vectors", "write"]

del _cases

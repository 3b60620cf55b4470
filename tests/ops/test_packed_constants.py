"""What `ops` plans by and what `kernels` run by: the same numbers stand in both, for importing ops loads no kernels."""

from bbdg_ref.kernels import bitstreams, bitvectors, columns, packed_program, real_layer
from bbdg_ref.ops import column_plan, packed_layout, packed_plan


def test_plans_and_kernels_go_by_the_same_numbers():
    assert packed_plan.PIECE == bitstreams.PIECE == real_layer.GROUP
    assert (packed_plan.WIDE, packed_plan.NARROW) == (bitvectors.WORDS, bitvectors.NARROW)
    assert packed_plan.STEP == bitvectors.GROUP
    assert bitvectors.LONGEST < 2**bitvectors.SLICES
    assert column_plan.GROUP == columns.LANES
    for kind in ("STEM", "CLIPPED_STEM", "REAL", "STRIDE_PAD", "BINARY", "COLUMNS", "CLASSIFIER"):
        assert getattr(packed_layout, kind) == getattr(packed_program, kind)

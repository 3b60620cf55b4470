"""The compiled gradient of hardtanh; its equality with `spec` is tested together with the estimators'."""

import numpy as np

from bbdg_ref.ops.activation import hardtanh_backward


def test_gradient_passes_strictly_inside_and_is_zero_at_both_corners():
    x = np.array([-2, -1, -0.5, 0, 0.5, 1, 2], np.float32)
    np.testing.assert_array_equal(hardtanh_backward(np.full(7, 3, np.float32), x), [0, 0, 3, 3, 3, 0, 0])

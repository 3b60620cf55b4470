"""The kernels for machines with shorter registers, or without three-input logic, give the same results.

Numba compiles for another processor than this one when told so; what it makes then runs here all the same.
"""

import os
import platform
import subprocess
import sys

import pytest

CHECK = """
import numpy as np
from bbdg_ref import nn, ops
from bbdg_ref.inference import compile_network
from bbdg_ref.kernels.vectors import LANES
from bbdg_ref.spec import conv2d as spec_conv2d, evaluation, popcount_conv

rng = np.random.default_rng(0)
cases = [(1, 70, 4, 0.4, 1), (3, 5, 9, 0.2, 2), (33, 65, 8, 0.7, 1), (2, 40, 16, 0.05, 2)]
for batch, channels, size, density, stride in cases:
    x = rng.standard_normal((batch, channels, size, size)).astype(np.float32)
    bits = rng.random((9, channels, 3, 3)) < density
    alpha, beta = rng.standard_normal((2, 9))
    ours = ops.popcount_conv2d(x, bits, alpha, beta, stride=stride, padding=1)
    assert np.array_equal(ours, popcount_conv.popcount_conv2d(x, bits, alpha, beta, stride=stride, padding=1))
    weight = rng.standard_normal((9, channels, 3, 3)).astype(np.float32)
    close = np.abs(ops.conv2d(x, weight, padding=1) - spec_conv2d.conv2d(x, weight, padding=1)).max()
    assert close < 1e-3
packed = compile_network(nn.resnet18(width=8, rng=rng))
images = rng.standard_normal((3, 3, 32, 32)).astype(np.float32)
defined, run = evaluation.evaluate(packed.folded, images), packed.trace(images)
assert np.array_equal(defined.logits, run.logits)
assert all(map(np.array_equal, defined.bits, run.bits))
print("lanes", LANES)
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="names processors of this kind")
@pytest.mark.parametrize(
    ("processor", "features", "lanes"), [("x86-64", "", 4), ("haswell", "+avx,+avx2,+fma,+popcnt,+bmi,+bmi2", 8)]
)
def test_kernels_made_for_another_processor_give_the_same(processor, features, lanes, tmp_path):
    if os.environ.get("NUMBA_DISABLE_JIT") == "1":
        pytest.skip("nothing is compiled")
    machine = {"NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": features, "NUMBA_CACHE_DIR": str(tmp_path)}
    environment = os.environ | machine | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    result = subprocess.run([sys.executable, "-c", CHECK], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["lanes", str(lanes)]

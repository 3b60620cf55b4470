"""How long a new process takes to its first result: with an empty cache, and from the cache of another process.

    python benchmarks/first_call.py network

prints the seconds from the import of bbdg_ref to the first result. All is counted: the imports, loading or compiling
the kernels, drawing random weights and packing them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

__all__ = ["first_calls"]

DENSITY = 0.05


def first_calls(kind: str) -> dict[str, float]:
    """Run this file twice, each time in a process of its own, with one cache folder that starts empty."""
    command = [sys.executable, str(Path(__file__)), kind]
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"NUMBA_CACHE_DIR": folder}
        compiling, cached = (
            float(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout)
            for _ in range(2)
        )
    return {f"first {kind} of a process, compiling, s": compiling, "the same from the cache, s": cached}


# Both import inside: what an import takes is part of the answer.


def _convolutions() -> None:
    import numpy as np

    import bbdg_ref

    rng = np.random.default_rng(0)
    for channels, size in ((64, 32), (128, 16), (256, 8), (512, 4)):
        bits = rng.random((channels, channels, 3, 3)) < DENSITY
        weight = bbdg_ref.PackedConv.from_bits(bits, bbdg_ref.Domain(-0.25, 0.75))
        for batch in (1, 32):
            x = rng.standard_normal((batch, channels, size, size), dtype=np.float32)
            bbdg_ref.packed_conv2d(x, weight, stride=1, padding=1)


def _network() -> None:
    import numpy as np

    import bbdg_ref
    from bbdg_ref import nn

    rng = np.random.default_rng(0)
    network = nn.resnet18(domain="general-closed", rng=rng)
    nn.shift_latents(network, DENSITY)
    bbdg_ref.compile_network(network)(rng.standard_normal((1, 3, 32, 32), dtype=np.float32))


def _main() -> None:
    kinds = {"convolutions": _convolutions, "network": _network}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=kinds)
    kind = parser.parse_args().kind
    start = time.perf_counter()
    kinds[kind]()
    print(round(time.perf_counter() - start, 2))


if __name__ == "__main__":
    _main()

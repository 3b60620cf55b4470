"""What one projection takes in a process of its own: peak memory, or the time to its first result.

    python benchmarks/projection_memory.py --weights normal --n 10000000
    python benchmarks/projection_memory.py --first-call bbdg_ref.project

The first prints JSON with the bytes that are resident before the call, the peak after it, and the size of the result.
Before the call there are interpreter, libraries, compiled kernels (by calls on short arrays), and the weights. (Where
the system does not tell what is resident, the peak so far stands for it.) The second prints seconds, imports and
compiling included. `projection.py` runs this file.
"""

import argparse
import json
import resource
import sys
import time
from dataclasses import fields
from pathlib import Path

from measuring import fix_threads

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--weights", choices=["normal", "skewed"], default="normal")
parser.add_argument("--n", type=int, default=10**7)
parser.add_argument("--first-call", choices=["bbdg_ref.project", "flash1dkmeans"])
parser.add_argument("--threads", type=int, default=1)
arguments = parser.parse_args()
fix_threads(arguments.threads)

# Long enough for every way that the projection takes, whatever it chooses by length.
WARM = (10, 1000, 10_000, 100_000, 300_000)


def peak() -> int:
    """Return the largest resident memory so far, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def resident() -> int:
    """Return the memory that is resident now, in bytes."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return peak()


def first_call(name: str) -> float:
    """Return the seconds from the import of the contender to its result for a million weights."""
    import numpy as np

    w = np.random.default_rng(0).standard_normal(1_000_000, dtype=np.float32)
    start = time.perf_counter()  # the import is part of the answer
    if name == "flash1dkmeans":
        from flash1dkmeans import kmeans_1d_two_cluster as call
    else:
        from bbdg_ref import project as call
    call(w)
    return time.perf_counter() - start


def memory() -> dict[str, int]:
    """Return what is resident before one projection, the peak after it, and the size of what it returns."""
    import numpy as np
    from projection_peers import weights

    from bbdg_ref import project

    for n in WARM:
        project(weights(arguments.weights, n))
    w = weights(arguments.weights, arguments.n)
    before = resident()
    p = project(w)
    after = peak()
    result = sum(np.asarray(getattr(p, field.name)).nbytes for field in fields(p))
    return {"before": before, "after": after, "input": w.nbytes, "result": result}


if arguments.first_call:
    print(round(first_call(arguments.first_call), 2))
else:
    print(json.dumps(memory()))

"""What every benchmark shares: threads fixed before NumPy loads, interleaved repeats, tables with the machine."""

import importlib.metadata
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["fix_threads", "interleaved", "machine", "write_tables"]

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def fix_threads(threads: int) -> None:
    """Set the thread counts of BLAS, OpenMP and Numba, and pin the process to as many processors.

    To be called before NumPy is imported: the libraries read their settings once.
    """
    for name in _THREAD_VARIABLES:
        os.environ[name] = str(threads)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def interleaved(contenders: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Time the contenders in turn, A B A B …, after one uncounted call each; return seconds by name."""
    for call in contenders.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, call in contenders.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def machine(threads: int, packages: Sequence[str]) -> dict[str, Any]:
    """Describe processor, threads and versions; a package that is not installed is named as missing."""
    versions = {}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "missing"
    return {
        "processor": _processor(),
        "processors visible": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "system": platform.system(),
        "versions": versions,
        "date": datetime.now(UTC).date().isoformat(),
    }


def _processor() -> str:
    try:
        fields = dict(
            (part.strip() for part in line.split(":", 1))
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if ":" in line
        )
        name = fields.get("model name", platform.machine())
        return f"{name}, family {fields.get('cpu family')}, model {fields.get('model')}"
    except OSError:
        return platform.processor() or platform.machine()


def spread(seconds: Sequence[float]) -> str:
    """Return median and range in milliseconds."""
    low, middle, high = (1000 * f(seconds) for f in (min, statistics.median, max))
    return f"{middle:.1f} ({low:.1f}-{high:.1f})"


def write_tables(stem: Path, title: str, about: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """Write ``stem.json`` and ``stem.md``; return the Markdown."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(".json").write_text(json.dumps({"about": about, "rows": list(rows)}, indent=1) + "\n")
    columns = [name for name in rows[0] if not name.startswith("_")]
    lines = [f"# {title}", ""]
    lines += [f"- {name}: {value if not isinstance(value, dict) else ', '.join(f'{k} {v}' for k, v in value.items())}"
              for name, value in about.items()]  # fmt: skip
    lines += ["", "| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(str(row[name]) for name in columns) + " |" for row in rows]
    text = "\n".join(lines) + "\n"
    stem.with_suffix(".md").write_text(text)
    return text

"""``project``: the nearest binary weights of an array, and what may surprise about them."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._terminal import number_table
from ..projection import Projection, explain, project_k, project_symmetric, project_zero
from ..projection import project as nearest
from .arguments import Command, Refused, at_least, finite
from .arrays import HDF5, NPY, NPZ, magic, read_numpy
from .models import TRAINED, read_stored
from .output import number

__all__ = ["COMMAND"]

NAMES_SHOWN = 40


def _add(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    text = "weights: a .npy or .npz file, or a model file that training wrote"
    add("file", type=Path, metavar="FILE", help=text)
    text = "which array, where FILE holds several; of a model file for example stage1.0.main.0.latent"
    add("--dataset", metavar="NAME", help=text)
    text = "fit one domain for each index of this axis (0 for convolution weights (out, in, kh, kw))"
    add("--channel-axis", type=int, metavar="I", help=text)
    add("--max-ones", type=at_least(0), metavar="N", help="allow at most N ones (in each channel)")
    text = "check these values of another implementation (write --alpha=-1e-3 if it is negative); needs --beta"
    add("--alpha", type=finite, metavar="A", help=text)
    add("--beta", type=finite, metavar="B", help="the other value to check; needs --alpha")
    add("--json", action="store_true", help="print JSON")


def _run(args: argparse.Namespace) -> int:
    if (args.alpha is None) != (args.beta is None):
        raise Refused("--alpha and --beta check a pair of values: give both")
    if args.alpha is not None and (args.channel_axis is not None or args.max_ones is not None):
        raise Refused("--alpha and --beta are one pair for all weights: leave --channel-axis and --max-ones out")
    w = _weights(args.file, args.dataset)
    axis = args.channel_axis
    if axis is not None and not -w.ndim <= axis < w.ndim:
        raise Refused(f"--channel-axis must be one of the {w.ndim} axes of the weights, shape {w.shape}; got {axis}")
    result = nearest(w, channel_axis=axis, max_ones=args.max_ones)
    others = _others(w, axis, args.max_ones)
    hints = _hints(w, result, axis, args.max_ones)
    if others["{0, beta}"] < _sum(result.error):
        hints.append("{0, beta} errs less, as there beta may be below 0 and the ones the smaller weights")
    if args.alpha is not None:
        hints.insert(0, f"alpha {args.alpha}, beta {args.beta}: {explain(w, args.alpha, args.beta).message}")
    where = f"{args.file}, {args.dataset}" if args.dataset else str(args.file)
    about = f"{where}: {w.dtype}, shape {w.shape}, {w.size} weights from {w.min():.6g} to {w.max():.6g}"
    if args.json:
        print(json.dumps(_record(about, w, result, others, hints), indent=1))
        return 0
    print(f"{about}\n\n{_table(result, w)}\n\n{_comparison(result, others)}")
    print("".join(f"\nnote: {hint}" for hint in hints))
    return 0


def _weights(path: Path, name: str | None) -> NDArray[Any]:
    """Read the array that is asked for, or the only one."""
    if path.is_dir():
        raise IsADirectoryError(0, "is a folder; give a file", str(path))
    kind = magic(path)
    if kind == HDF5:
        arrays = read_stored(path, TRAINED).arrays
        return arrays[_choose(path, name, list(arrays), hint=[key for key in arrays if key.endswith(".latent")])[0]]
    if kind not in (NPY, NPZ):
        raise ValueError(f"{path} must be a .npy, .npz or model file; got one that begins with {kind!r}; convert it")
    (found,) = read_numpy(path, lambda names: _choose(path, name, names, hint=names)).values()
    return np.asarray(found)


def _choose(path: Path, name: str | None, names: list[str], *, hint: list[str]) -> list[str]:
    """Return the one name, or refuse with those to choose from."""
    if name is None and len(names) == 1:
        return names
    if names == [""]:
        raise Refused(f"--dataset has no effect: {path} holds one array without a name")
    if name not in names:
        shown = ", ".join((hint or names)[:NAMES_SHOWN]) + (", ..." if len(hint or names) > NAMES_SHOWN else "")
        raise Refused(f"--dataset must name one of the arrays in {path}: {shown}; got {name}")
    return [name]


# ------------------------------------------------------------------------------- what there is to say


def _sum(values: Any) -> float:
    return float(np.sum(values))


def _others(w: NDArray[Any], axis: int | None, limit: int | None) -> dict[str, float]:
    """Return the errors of other domains, summed over the channels."""
    return {
        "{-a, +a}": _sum(project_symmetric(w, channel_axis=axis, max_ones=limit).error),
        "{0, beta}": _sum(project_zero(w, channel_axis=axis, max_ones=limit).error),
        "one value": _sum(project_k(w, 0, channel_axis=axis).error),
    }


def _hints(w: NDArray[Any], result: Projection, axis: int | None, limit: int | None) -> list[str]:
    hints = []
    channels = np.size(result.n_ones)
    where = "" if axis is None else f" in {{}} of {channels} channels"
    tied, equal = np.atleast_1d(result.tied), np.atleast_1d(np.equal(result.alpha, result.beta))
    if tied.any():
        text = "other bits have the same error: another implementation may choose them, here the fewest ones count"
        hints.append(text + where.format(tied.sum()))
    if equal.any():
        hints.append("alpha equals beta, so that the bits do not matter" + where.format(equal.sum()))
    if limit is not None:
        free = nearest(w, channel_axis=axis)
        held = np.atleast_1d(np.greater(free.n_ones, limit))
        if held.any():
            text = f"the limit of {limit} ones holds{where.format(held.sum())}; without it"
            hints.append(f"{text} {_sum(free.n_ones):.0f} ones, error {_sum(free.error):.6g}")
    density = _sum(result.n_ones) / w.size
    if density > 0.5:
        hints.append(f"more ones than zeros, as bit 1 is the larger value; of -w only {1 - density:.4f} would be ones")
    if axis is None and limit is None and w.ndim > 1 and w.shape[0] > 1:
        error = _sum(nearest(w, channel_axis=0).error)
        hints.append(f"one domain for each index of axis 0 (--channel-axis 0) has the error {error:.6g}")
    return hints


def _table(result: Projection, w: NDArray[Any]) -> str:
    """Return alpha, beta, threshold, ones, density and error: below each other, or a line for each channel."""
    names = ["alpha", "beta", "threshold", "ones", "density", "error"]
    channels = np.size(result.n_ones)
    fields = (result.alpha, result.beta, result.threshold, result.n_ones, result.error)
    rows = []
    for channel, (alpha, beta, threshold, ones, error) in enumerate(
        zip(*(np.atleast_1d(field) for field in fields), strict=True)
    ):
        cells = [f"{value:.9g}" for value in (alpha, beta, threshold)]
        rows.append([str(channel), *cells, str(ones), f"{ones * channels / w.size:.4f}", f"{error:.6g}"])
    if result.channel_axis is None:
        return "\n".join(f"{name:<10} {cell}" for name, cell in zip(names, rows[0][1:], strict=True))
    ones, error = _sum(result.n_ones), _sum(result.error)
    rows.append(["all", "", "", "", f"{ones:.0f}", f"{ones / w.size:.4f}", f"{error:.6g}"])
    return number_table(["channel", *names], rows)


def _comparison(result: Projection, others: dict[str, float]) -> str:
    errors = {"{alpha, beta}": _sum(result.error)} | others
    base = errors["one value"]
    rows = [[name, f"{error:.6g}", f"{error / base:.4f}" if base else "-"] for name, error in errors.items()]
    return number_table(["squared error with", "error", "of one value"], rows)


def _record(
    about: str, w: NDArray[Any], result: Projection, others: dict[str, float], hints: list[str]
) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        values = [number(item) for item in np.atleast_1d(value)]
        return values if result.channel_axis is not None else values[0]

    whole = np.asarray(result.n_ones)
    return {
        "about": about,
        "shape": list(w.shape),
        "channel_axis": result.channel_axis,
        "alpha": plain(result.alpha),
        "beta": plain(result.beta),
        "threshold": plain(result.threshold),
        "ones": whole.tolist(),
        "density": _sum(whole) / w.size,
        "error": plain(result.error),
        "tied": np.asarray(result.tied).tolist(),
        "other_errors": {name: number(error) for name, error in others.items()},
        "notes": hints,
    }


COMMAND = Command(
    "Find alpha, beta and bits with the least squared error to an array of weights, exactly, and tell what may "
    "surprise where another implementation is compared.",
    "  python -m bbdg_ref project weights.npy\n"
    "  python -m bbdg_ref project model.h5 --dataset stage1.0.main.0.latent --channel-axis 0\n"
    "  python -m bbdg_ref project weights.npz --dataset conv1 --max-ones 100 --json\n"
    "  python -m bbdg_ref project weights.npy --alpha=-0.5 --beta 0.5\n",
    _add,
    _run,
)

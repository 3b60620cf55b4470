"""``pack``: a model file that is small, with batch norm folded in and the bits coded."""

import argparse
from pathlib import Path

from .._terminal import number_table
from ..inference import LayerSizes, coded_sizes, save_packed
from ..network_summary import summary
from .arguments import Command, Refused, add_force
from .models import read_model
from .output import check_target

__all__ = ["COMMAND"]


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="model file, as training or pack wrote it")
    parser.add_argument("out", type=Path, metavar="OUT", help="file to write")
    add_force(parser)


def _run(args: argparse.Namespace) -> int:
    model = read_model(args.model)
    if args.out.exists() and args.out.samefile(args.model):
        raise Refused(f"{args.out} is MODEL itself, of which training may go on: choose another name")
    check_target(args.out, force=args.force)
    coded = coded_sizes(model.packed)
    save_packed(args.out, model.packed, notes=model.notes)
    real = 4 * summary(model.packed.folded).real_numbers
    print(f"{model}\n\n{_table(coded)}\n\n{_totals(coded, real, args.out.stat().st_size)}\nwritten to {args.out}")
    return 0


def _table(coded: tuple[LayerSizes, ...]) -> str:
    """Return the bytes of every layer by every method, and the method chosen."""
    methods = list(dict.fromkeys(name for layer in coded for name in layer.sizes))
    rows = [
        [layer.name, f"{layer.weights:,}", f"{layer.ones / layer.weights:.4f}"]
        + [f"{layer.sizes[name]:,}" if name in layer.sizes else "-" for name in methods]
        + [layer.method, f"{layer.size / layer.sizes['raw']:.3f}"]
        for layer in coded
    ]
    total, ones = sum(layer.weights for layer in coded), sum(layer.ones for layer in coded)
    least, raw = sum(layer.size for layer in coded), sum(layer.sizes["raw"] for layer in coded)
    sums = [
        f"{sum(layer.sizes[name] for layer in coded):,}" if all(name in layer.sizes for layer in coded) else "-"
        for name in methods
    ]
    rows.append(["total", f"{total:,}", f"{ones / total:.4f}", *sums, f"{least:,}", f"{least / raw:.3f}"])
    return number_table(["bytes of the bits", "weights", "density", *methods, "chosen", "of raw"], rows)


def _totals(coded: tuple[LayerSizes, ...], real: int, size: int) -> str:
    """Return what the file takes against one bit a weight and against float32."""
    bits, raw = sum(layer.size for layer in coded), sum(layer.sizes["raw"] for layer in coded)
    floats = 4 * sum(layer.weights for layer in coded)
    rows = [
        [name, f"{binary:,}", f"{other:,}", f"{whole:,}", f"{whole / size:.2f}"]
        for name, binary, other, whole in (
            ("this file", bits, size - bits, size),
            ("one bit a weight", raw, real, raw + real),
            ("all float32", floats, real, floats + real),
        )
    ]
    return number_table(["bytes", "binary layers", "all else", "in all", "times this file"], rows)


COMMAND = Command(
    "Fold the batch norm of a trained network into its weights, code the bits of each layer by the method that takes "
    "the fewest bytes, and write the model file that inference reads. Nothing is lost but what training alone needs.",
    "  python -m bbdg_ref pack model.h5 packed.h5\n  python -m bbdg_ref pack model.h5 packed.h5 --force\n",
    _add,
    _run,
)

"""``summary``: what a network's binary layers hold and cost."""

import argparse
import json
from pathlib import Path
from typing import Any

from ..inference import LayerSizes, coded_sizes
from ..network_summary import Summary
from ..network_summary import summary as summarise
from .arguments import Command, Refused, add_force, add_image_size
from .models import Model, read_model
from .output import check_target, write_bytes

__all__ = ["COMMAND"]


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="MODEL", help="model file, as training or pack wrote it")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", type=Path, metavar="FILE", help="write a line for each layer to FILE")
    form.add_argument("--json", action="store_true", help="print everything as JSON instead of the tables")
    add_image_size(parser)
    add_force(parser)


def _run(args: argparse.Namespace) -> int:
    if args.force and args.csv is None:
        raise Refused("--force has no effect without --csv: leave it out")
    if args.csv is not None:
        check_target(args.csv, force=args.force)
    model = read_model(args.model)
    coded = coded_sizes(model.packed)
    result = _summary(model, coded, model.image_shape(args.image_size))
    if args.json:
        about = {"file": str(model.path), "kind": model.kind, "notes": model.notes}
        print(json.dumps(about | result.as_dict() | {"coded": [_record(layer) for layer in coded]}, indent=1))
    elif args.csv is not None:
        write_bytes(args.csv, result.as_csv().encode(), force=args.force)
        print(f"written to {args.csv}: {len(result.layers)} layers and their total")
    else:
        print(f"{model}\n\n{result}")
        if model.network is not None:
            size, raw = sum(layer.size for layer in coded), sum(layer.sizes["raw"] for layer in coded)
            print(f"\npacked, the bits would take {size:,} bytes, {size / raw:.3f} of one bit a weight: see pack")
    return 0


def _summary(model: Model, coded: tuple[LayerSizes, ...], shape: tuple[int, int, int]) -> Summary:
    """Summarise for images of a shape; only a packed file has a size on disk for each layer."""
    if model.network is not None:
        return summarise(model.network, shape, model.path)
    names = [layer.name for layer in summarise(model.packed.folded, shape).layers]
    sizes = {name: layer.size for name, layer in zip(names, coded, strict=True)}
    return summarise(model.packed.folded, shape, model.path, layer_bytes=sizes)


def _record(layer: LayerSizes) -> dict[str, Any]:
    return {"layer": layer.name, "method": layer.method, "bytes": layer.size, "bytes_by_method": layer.sizes}


COMMAND = Command(
    "Tell, layer by layer and in total, what the binary layers of a network hold (ones, density, empty kernels, "
    "patterns) and cost (bits and binary operations, under each accounting, against float32).",
    "  python -m bbdg_ref summary model.h5\n"
    "  python -m bbdg_ref summary model.h5 --image-size 64 --csv layers.csv\n"
    "  python -m bbdg_ref summary packed.h5 --json > summary.json\n",
    _add,
    _run,
)

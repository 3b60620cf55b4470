"""Model files of either kind: networks as they are trained, and packed networks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import storage
from ..inference import PackedNetwork, compile_network
from ..inference.content import folded_from_arrays
from ..inference.files import FORMAT as PACKED
from ..network_summary import own_image_shape
from ..nn import Network
from ..nn.files import FORMAT as TRAINED
from ..nn.files import build, check_size
from ..ops.folded_shapes import folded_shapes
from .arguments import Refused

__all__ = ["PACKED", "TRAINED", "Model", "read_model", "read_stored"]


@dataclass(frozen=True, eq=False)
class Model:
    """What a model file holds.

    Attributes
    ----------
    path : Path
        The file.
    kind : str
        ``"network"``, written by `bbdg_ref.nn.save_network`, or ``"packed network"``, by `bbdg_ref.save_packed`.
    network : Network or None
        The network as it was trained; None in a packed file.
    packed : PackedNetwork
        The network, ready to answer.
    notes : dict
        What training noted: data set, seed, accuracy.
    """

    path: Path
    kind: str
    network: Network | None
    packed: PackedNetwork
    notes: dict[str, Any]

    @property
    def name(self) -> str:
        """The network's, as far as it is fit to print."""
        return "".join(letter if letter.isprintable() else "?" for letter in self.packed.folded.name)

    @property
    def classes(self) -> int:
        """The number of logits."""
        return len(self.packed.folded.classifier.bias)

    @property
    def dataset(self) -> str | None:
        """What the data set that it was trained on is called, if the file says so."""
        label = self.notes.get("dataset")
        return label if isinstance(label, str) and label.isprintable() else None

    def image_shape(self, size: Sequence[int] | None) -> tuple[int, int, int]:
        """Return the shape of the images that a command is to take.

        Parameters
        ----------
        size : sequence of int or None
            Of ``--image-size``: height and width, or one number for both; None for those that the network is made for.

        Returns
        -------
        tuple of int
            (channels, height, width).

        Raises
        ------
        Refused
            If there are more than two numbers, or the network takes no such images.
        """
        folded = self.packed.folded
        channels, *own = own_image_shape(folded)
        height, width = own if size is None else (size[0], size[-1])
        if size is not None and len(size) > 2:
            raise Refused(f"--image-size must be a height and a width, or one number; got {len(size)} numbers")
        if folded.image_shape is not None and [height, width] != own:
            bound = "{} {}".format(*own)
            raise Refused(f"--image-size must be {bound}, to which {self.path} is bound; got {height} {width}")
        try:
            folded_shapes(folded, (channels, height, width))
        except ValueError as error:
            raise Refused(
                f"--image-size must be a size that {self.name} takes; got {height} {width}: {error}; choose another"
            ) from error
        return channels, height, width

    def __str__(self) -> str:
        """Describe the model in a line."""
        trained = f", trained on {self.dataset}" if self.dataset else ""
        kind = "as trained" if self.network is not None else "packed"
        return f"{self.path}: {self.name}, {kind}, {self.classes} classes{trained}"


def read_stored(path: Path, *kinds: str) -> storage.Stored:
    """Read a file of this package that is of one of several kinds.

    Parameters
    ----------
    path : Path
        The file; taken as hostile.
    *kinds : str
        The formats that will do.

    Returns
    -------
    Stored
        Its header says which it is, as ``header["format"]``.

    Raises
    ------
    ValueError
        If it is none of them, or damaged.
    OSError
        If it cannot be opened.
    """
    if path.is_dir():
        inside = path / "model.h5"
        mend = f"give the file in it: {inside}" if inside.is_file() else "give a file"
        raise IsADirectoryError(0, f"is a folder; {mend}", str(path))
    others = []
    for kind in kinds:
        try:
            return storage.load(path, kind)
        except ValueError as error:
            if "must have the format" not in str(error):  # of this kind, and something else is wrong; or no such file
                raise
            others.append(error)
    got = str(others[-1]).rpartition("got ")[2]
    raise ValueError(f"{path} must be a file of the kind {' or '.join(map(repr, kinds))}; got {got}; choose another")


def read_model(path: Path) -> Model:
    """Read a model file of either kind.

    Parameters
    ----------
    path : Path
        The file; taken as hostile.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        If it is no model file, damaged, or its numbers are not finite.
    OSError
        If it cannot be opened.
    """
    stored = read_stored(path, TRAINED, PACKED)
    notes = stored.header.get("notes")
    network = None
    try:
        if stored.header["format"] == TRAINED:
            check_size(stored.header, stored.arrays)
            network = build(stored.header, rng=np.random.default_rng(0))
            network.load_state(stored.arrays)
            packed = compile_network(network)
        else:
            packed = PackedNetwork(folded_from_arrays(stored.arrays, stored.header))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} must hold a whole network; {error}; restore the file") from error
    return Model(path, stored.header["format"], network, packed, notes if isinstance(notes, dict) else {})

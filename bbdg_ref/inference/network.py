"""A packed network: images in, logits out, equal to `bbdg_ref.spec.evaluation` in every bit."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _checks
from ..nn import Network
from ..ops import packed_layout, packed_program
from ..ops.folded_layers import LayerByLayer
from ..ops.packed_conv2d import plain as _plain
from ..spec.evaluation import Evaluation, FoldedNetwork
from .folding import fold
from .wholeness import check_whole

__all__ = ["PackedNetwork", "compile_network"]

TOGETHER = 32  # images of one run: enough to fill the vectors on the smallest maps, few enough for the caches
MEND = "normalise the images as in training, as float32 (batch, channels, height, width)"

Real = NDArray[np.float32]


class PackedNetwork:
    """A network whose binary layers run on packed bits; call it with images, it answers logits.

    Parameters
    ----------
    folded : FoldedNetwork
        The network, batch norm folded in: the definition of what is computed. Kept as the attribute ``folded``; its
        arrays become read-only, since what is laid out would not follow them.

    Notes
    -----
    Every bit and every float equals what `bbdg_ref.spec.evaluation.evaluate` gives. The first call for a batch size and
    an image size lays the network out for it, the first call of all compiles the kernels (or loads them from Numba's
    cache). One program for the whole network serves ResNets at sizes whose maps are made of whole pieces of 16 pixels.
    Everything else runs layer by layer (`bbdg_ref.ops.folded_layers`), the binary layers by the packed kernels; without
    the JIT the definition serves, slowly. May be called from several threads at once.

    Examples
    --------
    >>> import numpy as np
    >>> from bbdg_ref import inference, nn
    >>> network = nn.resnet20(width=4, rng=np.random.default_rng(0))
    >>> packed = PackedNetwork(inference.fold(network))
    >>> packed(np.zeros((2, 3, 32, 32), np.float32)).shape
    (2, 10)
    """

    def __init__(self, folded: FoldedNetwork) -> None:
        if not isinstance(folded, FoldedNetwork):
            got = type(folded).__name__
            raise TypeError(
                _checks.message("PackedNetwork", "folded", "a FoldedNetwork", got, "use compile_network for a Network")
            )
        check_whole(folded)
        _freeze(folded)
        self.folded = folded
        self._layers = LayerByLayer(folded)
        self._known: dict[Any, Any] = {}
        self._programs: dict[tuple[int, tuple[int, ...], bool], packed_program.Program] = {}
        self._fits: dict[tuple[int, ...], bool] = {}

    def __call__(self, images: Real) -> Real:
        """Return the logits of a batch of images.

        Parameters
        ----------
        images : ndarray of float32, shape (batch, channels, height, width)
            Normalised as in training.

        Returns
        -------
        ndarray of float32, shape (batch, classes)

        Raises
        ------
        TypeError, ValueError
            If the images are not such an array.
        """
        images = self._checked(images)
        runs = _runs(len(images))
        if not self.is_fast(images.shape[1:]):
            few = max(1, min(TOGETHER, TOGETHER * 1024 // (images.shape[2] * images.shape[3])))
            parts = [images[first : first + few] for first in range(0, len(images), few)]
            return np.concatenate([self._layers(part).logits for part in parts])
        logits = np.empty((len(images), len(self.folded.classifier.bias)), np.float32)
        programs = [self._program(images[run], keep=False) for run in runs]

        def work(first: int, last: int) -> None:
            for number in range(first, last):
                program = programs[number]
                program.give_back(packed_program.run(program, images[runs[number]], logits[runs[number]]))

        packed_program.share_out(work, len(runs))
        return logits

    def trace(self, images: Real) -> Evaluation:
        """Return the logits and all that lies on the way to them: what every binary layer read, and the maps.

        Parameters
        ----------
        images : ndarray of float32, shape (batch, channels, height, width)
            Normalised as in training.

        Returns
        -------
        Evaluation
            As of `bbdg_ref.spec.evaluation.evaluate`, computed by the kernels. Memory grows with the depth.

        Raises
        ------
        TypeError, ValueError
            If the images are not such an array.
        """
        images = self._checked(images)
        if not self.is_fast(images.shape[1:]):
            return self._layers(images)
        logits = np.empty((len(images), len(self.folded.classifier.bias)), np.float32)
        program = self._program(images, keep=True)
        return packed_program.kept(program, packed_program.run(program, images, logits), logits)

    def _checked(self, images: Real) -> Real:
        """Return the images as a contiguous array of float32, or say what is wrong with them."""
        channels = self.folded.stem.weight.shape[1]
        size = "height, width" if self.folded.image_shape is None else "{}, {}".format(*self.folded.image_shape[1:])
        expected = f"a non-empty array of float32 of shape (batch, {channels}, {size})"
        if np.size(images) == 0:
            got = f"shape {np.shape(images)}"
            raise ValueError(_checks.message("PackedNetwork", "images", expected, got, "pass at least one image"))
        array = _checks.real_array("PackedNetwork", "images", images)
        shape = self.folded.image_shape or (channels, *array.shape[2:])
        if array.dtype != np.float32:
            raise TypeError(_checks.message("PackedNetwork", "images", expected, f"dtype {array.dtype}", MEND))
        if array.ndim != 4 or array.shape[1:] != shape:
            raise ValueError(_checks.message("PackedNetwork", "images", expected, f"shape {array.shape}", MEND))
        try:
            self._layers.shapes(shape)
        except ValueError as error:
            expected, got = "images of a size that the network fits", f"shape {array.shape}: {error}"
            raise ValueError(_checks.message("PackedNetwork", "images", expected, got, MEND)) from error
        return _plain(array)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the network alone, not what was laid out for it."""
        return type(self), (self.folded,)

    def is_fast(self, shape: tuple[int, ...]) -> bool:
        """Tell whether images of a shape are served by one program for the whole network, or layer by layer.

        Parameters
        ----------
        shape : (int, int, int)
            Channels, height and width of an image.

        Returns
        -------
        bool
        """
        known = self._fits.get(shape)
        if known is None:
            channels, height, width = shape
            known = packed_layout.fits(self.folded, (channels, height, width))
            packed_program.remember(self._fits, shape, known)
        return known

    def _program(self, images: Real, *, keep: bool) -> packed_program.Program:
        key = len(images), images.shape[1:], keep
        program = self._programs.get(key)
        if program is None:
            program = packed_layout.build(self.folded, images.shape[1:], len(images), self._known, keep=keep)
            packed_program.remember(self._programs, key, program)
        return program


def _runs(images: int) -> list[slice]:
    """Cut a batch into runs of `TOGETHER` images, and the rest into powers of two: few programs serve every batch."""
    runs, first, size = [], 0, TOGETHER
    while first < images:
        while size > images - first:
            size //= 2
        runs.append(slice(first, first + size))
        first += size
    return runs


def _freeze(part: Any) -> None:
    """Make all arrays of a folded network read-only."""
    if isinstance(part, np.ndarray):
        part.flags.writeable = False
    elif isinstance(part, tuple):
        for each in part:
            _freeze(each)
    elif dataclasses.is_dataclass(part):
        for name in vars(part):
            _freeze(getattr(part, name))


def compile_network(network: Network, *, image_shape: tuple[int, int, int] | None = None) -> PackedNetwork:
    """Fold and pack a trained network for inference.

    Parameters
    ----------
    network : Network
        As `bbdg_ref.nn` builds it; it is not changed, and later changes of it do not reach the result.
    image_shape : tuple of int, optional
        (channels, height, width) of an image, where other sizes are to be refused.

    Returns
    -------
    PackedNetwork
        Callable on float32 images.

    Raises
    ------
    TypeError, ValueError
        As `bbdg_ref.inference.fold`.

    Notes
    -----
    Folding moves values by units in the last place, and so flips a few of very many bits against
    ``network.forward(images, training=False)``; against `bbdg_ref.spec.evaluation.evaluate` there is no difference.

    Examples
    --------
    >>> import numpy as np
    >>> from bbdg_ref import nn
    >>> network = nn.resnet20(width=4, rng=np.random.default_rng(0))
    >>> packed = compile_network(network)
    >>> images = np.random.default_rng(1).standard_normal((2, 3, 32, 32)).astype(np.float32)
    >>> np.allclose(packed(images), network.forward(images, training=False), atol=1e-4)
    True
    """
    return PackedNetwork(fold(network, image_shape=image_shape))

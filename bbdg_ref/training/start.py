"""The network whose weights a run starts from."""

import os

from ..nn import Network, load_network
from .checkpoint import load_checkpoint

__all__ = ["read_start"]


def read_start(path: str | os.PathLike[str]) -> Network:
    """Read a network from the files of a run.

    Parameters
    ----------
    path : str or path-like
        A ``model.h5``, the network of the best epoch, or a ``checkpoint.h5``, the network as it stood last.

    Returns
    -------
    Network

    Raises
    ------
    ValueError
        If the file is neither.
    OSError
        If it cannot be opened.
    """
    try:
        return load_network(path)
    except ValueError as error:
        try:
            return load_checkpoint(path).network()
        except ValueError:
            raise error from None

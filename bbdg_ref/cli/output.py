"""What the sub-commands write: files that are not replaced unasked, a progress bar."""

import math
from pathlib import Path
from typing import Any

from tqdm import tqdm

from .arguments import Refused

__all__ = ["check_target", "number", "progress", "write_bytes"]


def number(value: float) -> float | None:
    """Return a number that JSON can hold; None for infinity and NaN, which it cannot.

    Parameters
    ----------
    value : float
        Any number.

    Returns
    -------
    float or None
    """
    return float(value) if math.isfinite(value) else None


def check_target(path: Path, *, force: bool) -> None:
    """Refuse, before any work, a file that cannot or shall not be written.

    Parameters
    ----------
    path : Path
        The file to write.
    force : bool
        Whether it may be replaced.

    Raises
    ------
    Refused
        If it exists and may not be replaced.
    OSError
        If it is a folder, or its folder does not exist.
    """
    if path.is_dir():
        raise IsADirectoryError(0, "is a folder; name a file to write", str(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(0, "there is no such folder to write to", str(path.parent))
    if path.exists() and not force:
        raise Refused(_exists(path))


def _exists(path: Path) -> str:
    return f"{path} exists: add --force to replace it, or choose another name"


def write_bytes(path: Path, data: bytes, *, force: bool) -> None:
    """Write a file whole.

    Parameters
    ----------
    path : Path
        The file.
    data : bytes
        Its content.
    force : bool
        Whether it may be replaced.

    Raises
    ------
    Refused
        If it exists and may not be replaced.
    OSError
        If it cannot be written.
    """
    try:
        with open(path, "wb" if force else "xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise Refused(_exists(path)) from error


def progress(total: int, text: str, unit: str) -> Any:
    """Return a progress bar on standard error; nothing is shown where that is not a terminal.

    Parameters
    ----------
    total : int
        When the work is done.
    text : str
        What is done.
    unit : str
        What is counted.

    Returns
    -------
    tqdm.tqdm
    """
    return tqdm(total=total, desc=text, unit=unit, disable=None, leave=False)

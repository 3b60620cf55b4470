"""What the sub-commands share about their arguments: the form of a sub-command, numbers, refusals."""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Command", "Refused", "add_force", "add_image_size", "at_least", "finite"]


class Refused(Exception):
    """Arguments that make no sense together, or not for this file; the message says how to mend it."""


@dataclass(frozen=True)
class Command:
    """A sub-command.

    Attributes
    ----------
    description : str
        What its help says first.
    examples : str
        Command lines, for the end of its help.
    add : callable
        Adds its arguments to a parser.
    run : callable
        Does the work for the parsed arguments; returns the exit status.
    """

    description: str
    examples: str
    add: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def at_least(low: int) -> Callable[[str], int]:
    """Return an argparse type: a whole number from ``low`` on.

    Parameters
    ----------
    low : int
        The least number.

    Returns
    -------
    callable
        From text to int.

    Examples
    --------
    >>> at_least(1)("12")
    12
    """

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if value < low:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} on; got {text!r}")
        return value

    return parse


def finite(text: str) -> float:
    """Read a finite number: an argparse type.

    Parameters
    ----------
    text : str
        What was typed.

    Returns
    -------
    float
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"must be a finite number; got {text!r}")
    return value


def add_force(parser: Any) -> None:
    """Add the flag that allows to replace a file.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Of the sub-command.
    """
    parser.add_argument("--force", action="store_true", help="replace the file to write if it exists")


def add_image_size(parser: argparse.ArgumentParser) -> None:
    """Add the flag that says how large the images are; `Model.image_shape` makes a shape of it.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Of the sub-command.
    """
    text = (
        "height and width of an image in pixels, or one number for both (default: what a packed file is bound to, else "
        "224 for reactnet-a and 32 for the other networks)"
    )
    parser.add_argument("--image-size", type=at_least(1), nargs="+", metavar=("HEIGHT", "WIDTH"), help=text)

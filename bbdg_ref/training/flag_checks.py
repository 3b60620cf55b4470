"""Flags that cannot be: what is refused before a training example begins."""

import argparse
import os

from .settings import Experiment

__all__ = ["SYNTHETIC", "Refused", "check_data_flags", "check_images", "check_out"]

#: The built-in data set, by the name that ``--data`` takes.
SYNTHETIC = "synthetic"


class Refused(Exception):
    """A combination of flags that makes no sense; the message says how to mend it."""


def check_data_flags(args: argparse.Namespace) -> None:
    """Refuse data flags that contradict each other or name a folder that is not there.

    Parameters
    ----------
    args : argparse.Namespace
        From the parser.

    Raises
    ------
    Refused
        With the mend.
    """
    if args.data == SYNTHETIC and (args.data_dir or args.data_label):
        raise Refused("--data-dir and --data-label have no effect with --data synthetic: leave them out")
    if args.data_dir is not None and not args.data_dir.exists():
        raise Refused(f"--data-dir must be there, and {args.data_dir} is not: give the folder with the binary files")
    if args.data_label and not (args.data_dir or os.environ.get("BBDG_DATA")):
        raise Refused("--data-label names the data of --data-dir or $BBDG_DATA: give one of them")


def check_images(experiment: Experiment, images: int, what: str, mend: str) -> None:
    """Refuse to hold out and to train on more images than there are.

    Parameters
    ----------
    experiment : Experiment
        The settings.
    images : int
        How many there are.
    what, mend : str
        What these are, and what to do, for the message.

    Raises
    ------
    Refused
        If they are too few.
    """
    wanted = experiment.limit_train or experiment.batch_size
    if experiment.validation + wanted > images:
        raise Refused(
            f"--validation and --limit-train (or one batch) together must be at most the {images} {what}; got "
            f"{experiment.validation} and {wanted}; {mend}"
        )


def check_out(args: argparse.Namespace) -> None:
    """Refuse to write results where a file is in the way.

    Parameters
    ----------
    args : argparse.Namespace
        From the parser.

    Raises
    ------
    Refused
        With the mend.
    """
    if args.out is None:
        return
    there = next((path for path in (args.out, *args.out.parents) if path.exists()), None)
    if there is not None and not there.is_dir():
        mend = "give the folder of the run" if args.resume else "give another one, or move the file away"
        raise Refused(f"--out must be a folder, and {there} is a file: {mend}")

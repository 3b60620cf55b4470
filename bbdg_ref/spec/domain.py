"""The general binary domain {alpha, beta}: a weight is alpha + (beta - alpha) * b with b in {0, 1}."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Self

import numpy as np
import numpy.typing as npt

__all__ = ["Domain", "channels"]

Level = float | npt.NDArray[np.float64]


def channels(array: np.ndarray, channel_axis: int | None) -> np.ndarray:
    """Return the array as rows, one for each channel.

    Parameters
    ----------
    array : array of any shape
        The weights, or their bits.
    channel_axis : int or None
        The axis of the channels; None for one row of all elements.

    Returns
    -------
    array of shape (channels, weights per channel)
        Within a row the elements keep their flat (C-order) order.
    """
    if channel_axis is None:
        return array.reshape(1, -1)
    return np.moveaxis(array, channel_axis, 0).reshape(array.shape[channel_axis], -1)


def _equals(values: np.ndarray, level: np.ndarray) -> npt.NDArray[np.bool_]:
    """Return values == level as real numbers: a 64-bit integer is not rounded to float64 first."""
    equal = values == level
    if values.dtype.kind in "iu" and values.dtype.itemsize == 8:
        wide = equal & (np.abs(level) >= 2.0**53)
        for index in np.argwhere(wide):
            place = tuple(index)
            equal[place] = int(values[place]) == Fraction(float(np.broadcast_to(level, values.shape)[place]))
    return equal


@dataclass(frozen=True, eq=False)
class Domain:
    """The two values a binary weight may take: alpha for bit 0, beta for bit 1.

    A weight is ``alpha + (beta - alpha) * b``. With the sign s = 2b - 1 it is ``tau * s + phi``, where
    ``tau = beta/2 - alpha/2`` and ``phi = alpha/2 + beta/2``. alpha > beta is allowed: a learned tau may turn
    negative.

    Parameters
    ----------
    alpha, beta : float or array of shape (channels,)
        The value of bit 0 and of bit 1. Held as a Python float, or as a read-only float64 copy of the array.
    channel_axis : int, optional
        The axis of the weights that the arrays run along; needed exactly when alpha and beta are arrays.

    Raises
    ------
    TypeError
        If alpha or beta is not numeric.
    ValueError
        If a value is NaN or infinite, the shapes differ, or ``channel_axis`` does not fit them.

    Examples
    --------
    >>> domain = Domain(-1.0, 3.0)
    >>> domain.tau, domain.phi
    (2.0, 1.0)
    >>> domain.decode([True, False])
    array([ 3., -1.])
    >>> domain.encode([3, -1, -1])
    array([ True, False, False])
    """

    alpha: Level
    beta: Level
    channel_axis: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "alpha", _level("alpha", self.alpha))
        object.__setattr__(self, "beta", _level("beta", self.beta))
        if np.shape(self.alpha) != np.shape(self.beta):
            raise ValueError(
                f"Domain: beta must be of the shape of alpha, {np.shape(self.alpha)}; "
                f"got {np.shape(self.beta)}; "
                "give two floats or two arrays of shape (channels,)"
            )
        if (self.channel_axis is None) != (np.ndim(self.alpha) == 0):
            raise ValueError(
                "Domain: channel_axis must be given exactly when alpha and beta are arrays; "
                f"got channel_axis={self.channel_axis} with shape {np.shape(self.alpha)}; "
                "name the axis of the channels"
            )

    @classmethod
    def from_tau_phi(cls, tau: Level, phi: Level, channel_axis: int | None = None) -> Self:
        """Return the domain of half-width tau about the midpoint phi.

        alpha = phi - tau, beta = phi + tau.

        Parameters
        ----------
        tau, phi : float or array of shape (channels,)
            Half the difference of beta and alpha, and their mean.
        channel_axis : int, optional
            As in `Domain`.

        Returns
        -------
        Domain
            alpha and beta are rounded to float64.

        Raises
        ------
        TypeError, ValueError
            As in `Domain`; also if alpha or beta overflows.

        Examples
        --------
        >>> Domain.from_tau_phi(2.0, 1.0)
        Domain(alpha=-1.0, beta=3.0, channel_axis=None)
        """
        half, middle = _level("tau", tau), _level("phi", phi)
        with np.errstate(over="ignore"):
            return cls(middle - half, middle + half, channel_axis)

    @property
    def tau(self) -> Level:
        """Half the difference, beta/2 - alpha/2 (halved first, so that it cannot overflow)."""
        return self.beta / 2 - self.alpha / 2

    @property
    def phi(self) -> Level:
        """The midpoint, alpha/2 + beta/2."""
        return self.alpha / 2 + self.beta / 2

    def decode(self, bits: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the weights of the bits: beta where the bit is 1, alpha where it is 0.

        Parameters
        ----------
        bits : array of bool, or of integers 0 and 1
            Any shape; with a per-channel domain, axis ``channel_axis`` has one index for each channel.

        Returns
        -------
        array of float64
            Of the shape of ``bits``.

        Raises
        ------
        TypeError, ValueError
            If an element is not 0 or 1, or the channels do not match.
        """
        given = np.asarray(bits)
        if given.dtype.kind not in "biu":
            raise TypeError(
                f"Domain.decode: bits must be bool or integers 0 and 1; got {given.dtype}; "
                "write x > 0 for the bits of x"
            )
        _refuse("decode", "bits", "0 or 1", given, (given != 0) & (given != 1), "write x > 0 for the bits of x")
        alpha, beta = self._levels("decode", given)
        return np.where(given != 0, beta, alpha)

    def encode(self, values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Return the bits of weights that are alpha or beta exactly; where alpha = beta, bit 0.

        Parameters
        ----------
        values : array of real numbers
            Each element is alpha or beta. (For the nearest of the two, use `assign`.)

        Returns
        -------
        array of bool
            Of the shape of ``values``.

        Raises
        ------
        ValueError
            If an element is neither alpha nor beta, or the channels do not match.

        Notes
        -----
        alpha and beta are float64: float32 weights that were rounded from them are refused.
        """
        given = np.asarray(values)
        if given.dtype.kind not in "fiu":
            raise TypeError(f"Domain.encode: values must be real numbers; got {given.dtype}; convert them to float64")
        alpha, beta = self._levels("encode", given)
        zeros, ones = _equals(given, alpha), _equals(given, beta)
        _refuse("encode", "values", "alpha or beta exactly", given, ~(zeros | ones), "use assign for the nearest value")
        return ones & ~zeros

    def _levels(self, method: str, array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return alpha and beta shaped to broadcast against the array."""
        alpha, beta = np.asarray(self.alpha), np.asarray(self.beta)
        if self.channel_axis is None:
            return alpha, beta
        if not -array.ndim <= self.channel_axis < array.ndim or array.shape[self.channel_axis] != alpha.size:
            raise ValueError(
                f"Domain.{method}: the array must be one with {alpha.size} channels along axis "
                f"{self.channel_axis}; got shape {array.shape}; move the channels to that axis"
            )
        shape = [1] * array.ndim
        shape[self.channel_axis] = alpha.size
        return alpha.reshape(shape), beta.reshape(shape)


def _level(name: str, value: Level) -> Level:
    """Return alpha or beta as a float, or as a read-only float64 array of shape (channels,)."""
    array = np.array(value)
    if array.dtype.kind not in "fiu" or array.dtype.itemsize > 8:
        raise TypeError(f"Domain: {name} must be real numbers; got {array.dtype}; pass floats")
    given, array = array, array.astype(np.float64)
    if array.ndim > 1 or array.size == 0:
        raise ValueError(
            f"Domain: {name} must be a float or an array of shape (channels,); got shape {array.shape}; "
            "flatten it, with one value for each channel"
        )
    inexact = np.array([x != y for x, y in zip(given.ravel().tolist(), array.ravel().tolist(), strict=True)])
    _refuse("", name, "exactly a float64", given, inexact.reshape(given.shape) & (given == given), "round it first")
    _refuse("", name, "finite", array, ~np.isfinite(array), "use smaller values")
    if array.ndim == 0:
        return float(array)
    array.flags.writeable = False
    return array


def _refuse(method: str, name: str, expected: str, array: np.ndarray, bad: np.ndarray, mend: str) -> None:
    """Raise the package's one form of error for the first bad element, if there is one."""
    if bad.any():
        place = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
        index = place[0] if len(place) == 1 else place
        where = f"Domain.{method}" if method else "Domain"
        raise ValueError(
            f"{where}: {name} must be {expected}; got shape {array.shape}, "
            f"first bad value {array[place]} at index {index}; {mend}"
        )

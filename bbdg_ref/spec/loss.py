"""Softmax cross-entropy against target distributions: hard labels, mixtures of two, or smoothed ones."""

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["cross_entropy", "cross_entropy_backward", "mixup_targets", "one_hot", "smooth_targets"]


def one_hot(labels: NDArray[np.integer], classes: int, dtype: DTypeLike = np.float32) -> NDArray[np.floating]:
    """Return the distributions of hard labels: ``targets[n, c] = 1 if c == labels[n] else 0``.

    Parameters
    ----------
    labels : ndarray (batch,) of int
        From 0 to ``classes - 1``.
    classes : int
    dtype : dtype
        Of the result.

    Returns
    -------
    ndarray (batch, classes)

    Examples
    --------
    >>> one_hot(np.array([2, 0]), 3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    return np.eye(classes, dtype=dtype)[labels]


def mixup_targets(first: NDArray[np.floating], second: NDArray[np.floating], lam: float) -> NDArray[np.floating]:
    """Mix the targets as the images were mixed: ``lam * first + (1 - lam) * second``.

    Parameters
    ----------
    first, second : ndarray (batch, classes)
    lam : float
        Weight of `first`, from 0 to 1; drawn from Beta(1, 1) once per batch.

    Returns
    -------
    ndarray (batch, classes)

    Notes
    -----
    H. Zhang et al., mixup, arXiv 1710.09412, section 2. Because the loss is linear in the targets, the loss
    of the mixture is the mixture of the two losses.

    Examples
    --------
    >>> mixup_targets(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), 0.75)
    array([[0.75, 0.25]])
    """
    return lam * first + (1 - lam) * second


def smooth_targets(targets: NDArray[np.floating], epsilon: float) -> NDArray[np.floating]:
    """Mix the targets with the uniform distribution: ``(1 - epsilon) * targets + epsilon / classes``.

    Parameters
    ----------
    targets : ndarray (batch, classes)
    epsilon : float
        Share of the uniform distribution, from 0 to 1.

    Returns
    -------
    ndarray (batch, classes)

    Notes
    -----
    C. Szegedy et al., arXiv 1512.00567, section 7: label smoothing.

    Examples
    --------
    >>> smooth_targets(np.array([[1.0, 0.0]]), 0.5)
    array([[0.75, 0.25]])
    """
    return (1 - epsilon) * targets + epsilon / targets.shape[1]


def _log_softmax(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    # z_c - log sum exp z, unchanged when the largest z is taken off first, so that no exponential overflows.
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def cross_entropy(logits: NDArray[np.floating], targets: NDArray[np.floating]) -> float:
    """Return the mean over the batch of ``-sum over c of targets[n, c] * log softmax(logits[n])[c]``.

    Parameters
    ----------
    logits, targets : ndarray (batch, classes)

    Returns
    -------
    float
        In nats.

    Raises
    ------
    ValueError
        If the sizes disagree.

    Examples
    --------
    >>> round(cross_entropy(np.array([[0.0, 0.0], [1e4, 0.0]]), np.array([[0.5, 0.5], [1.0, 0.0]])), 6)
    0.346574
    """
    return float(-np.vdot(targets, _log_softmax(logits)) / len(logits))


def cross_entropy_backward(logits: NDArray[np.floating], targets: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the gradient with respect to the logits: ``(softmax(logits) - targets) / batch``.

    Parameters
    ----------
    logits, targets : ndarray (batch, classes)
        Every row of `targets` sums to 1.

    Returns
    -------
    ndarray (batch, classes)

    Examples
    --------
    >>> cross_entropy_backward(np.array([[0.0, 0.0]]), np.array([[1.0, 0.0]]))
    array([[-0.5,  0.5]])
    """
    return (np.exp(_log_softmax(logits)) - targets) / len(logits)

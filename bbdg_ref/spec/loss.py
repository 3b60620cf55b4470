"""Softmax cross-entropy against target distributions (hard, mixed or smoothed labels), and against a teacher's."""

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = [
    "cross_entropy",
    "cross_entropy_backward",
    "distillation",
    "distillation_backward",
    "mixup_targets",
    "one_hot",
    "smooth_targets",
]


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


def distillation(logits: NDArray[np.floating], teacher_logits: NDArray[np.floating], temperature: float = 1.0) -> float:
    """Return ``T^2`` times the mean over the batch of ``KL(softmax(teacher_logits/T) || softmax(logits/T))``.

    ``KL(p || q)`` is the sum over c of ``p[c] * (log p[c] - log q[c])``.

    Parameters
    ----------
    logits, teacher_logits : ndarray (batch, classes)
        Of the network that learns, and of the one that it learns from.
    temperature : float
        T above 0; above 1 it flattens both distributions.

    Returns
    -------
    float
        In nats, computed in float64; 0 if the distributions are the same, never negative but for rounding.

    Raises
    ------
    ValueError
        If the shapes disagree.

    Notes
    -----
    G. Hinton et al., arXiv 1503.02531, section 2; ``T^2`` keeps the size of the gradient from falling with T. At T = 1
    it is ReActNet's distributional loss (arXiv 2003.03488, section 4.3). The cross-entropy with the teacher's
    distribution as target, which their code computes, is larger by that distribution's entropy, which does not depend
    on the logits: the gradient is the same.

    Examples
    --------
    >>> distillation(np.array([[1e4, 0.0]]), np.array([[1e4, 0.0]]))
    0.0
    >>> round(distillation(np.array([[1e4, 0.0]]), np.array([[0.0, 0.0]]), temperature=2.0), 3)
    9997.227
    """
    both = np.stack([teacher_logits, logits]).astype(np.float64)  # T^2 multiplies the rounding of the difference
    teacher, student = (_log_softmax(z) for z in both / temperature)
    return float(temperature**2 * np.vdot(np.exp(teacher), teacher - student) / len(logits))


def distillation_backward(
    logits: NDArray[np.floating], teacher_logits: NDArray[np.floating], temperature: float = 1.0
) -> NDArray[np.floating]:
    """Return the gradient with respect to the logits: ``T (softmax(logits/T) - softmax(teacher_logits/T)) / batch``.

    Parameters
    ----------
    logits, teacher_logits : ndarray (batch, classes)
    temperature : float
        T above 0.

    Returns
    -------
    ndarray (batch, classes)
        The teacher gets no gradient.

    Raises
    ------
    ValueError
        If the shapes disagree.

    Examples
    --------
    >>> distillation_backward(np.array([[0.0, 0.0]]), np.array([[1e4, 0.0]]), temperature=2.0)
    array([[-1.,  1.]])
    """
    teacher, student = (np.exp(_log_softmax(z)) for z in np.stack([teacher_logits, logits]) / temperature)
    return temperature * (student - teacher) / len(logits)

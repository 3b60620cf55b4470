"""Weights {0, beta - alpha}: the term alpha (a * 1) is left out.

Flag: shared_term.
"""

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def popcount_conv2d(x, bits, alpha, beta, stride, padding):
    return reference.popcount_conv2d(x, bits, 0 * alpha, beta - alpha, stride, padding)

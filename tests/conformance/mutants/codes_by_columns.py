"""The code of a kernel runs down the columns.

Flag: code_order.
"""

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def pattern_bits(patterns):
    return reference.pattern_bits(patterns).swapaxes(1, 2)


def frequent_patterns(bits, count):
    return reference.frequent_patterns(bits.swapaxes(2, 3), count)

"""The shortcut's added channels all come after the others.

Flag: channel_padding.
"""

import numpy as np

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def stride_and_pad(x, out_channels, stride):
    kept = x[:, :, :: stride[0], :: stride[1]]
    return np.pad(kept, ((0, 0), (0, out_channels - x.shape[1]), (0, 0), (0, 0)))


def stride_and_pad_backward(dy, in_channels, input_size, stride):
    dx = np.zeros((len(dy), in_channels, *input_size), dy.dtype)
    dx[:, :, :: stride[0], :: stride[1]] = dy[:, :in_channels]
    return dx

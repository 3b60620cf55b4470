"""The block adds its shortcut after hardtanh.

Flag: shortcut.
"""

from bbdg_ref.conformance import reference


def __getattr__(name):  # all other stages are right
    return getattr(reference, name)


def binary_block(x, latent, tau, phi, weight, bias, eps, stride, padding):
    z = reference.conv2d(reference.sign(x), tau * reference.sign(latent) + phi, stride, padding)
    y = reference.batchnorm_train(z, weight, bias, eps)["y"]
    return reference.hardtanh(y) + reference.stride_and_pad(x, len(latent), stride)

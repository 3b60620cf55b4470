"""From a trained network to answers: batch norm folded in, bits packed, logits out.

`fold` turns a network into the float32 expression that inference is defined by, `bbdg_ref.spec.evaluation`;
`evaluate` computes that expression plainly, and a `PackedNetwork` (`compile_network`) fast and equal in every bit.
`save_packed` and `load_packed` keep it in a file whose size falls with the density, too.
"""

from ..spec.evaluation import Evaluation, FoldedNetwork, evaluate
from .coding import code_sizes, decode_bits, encode_bits
from .files import LayerSizes, coded_sizes, load_packed, save_packed
from .folding import fold
from .network import PackedNetwork, compile_network

__all__ = [
    "Evaluation",
    "FoldedNetwork",
    "LayerSizes",
    "PackedNetwork",
    "code_sizes",
    "coded_sizes",
    "compile_network",
    "decode_bits",
    "encode_bits",
    "evaluate",
    "fold",
    "load_packed",
    "save_packed",
]

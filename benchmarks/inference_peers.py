"""The peers of the inference benchmarks, each built, compared with an exact reference, and returned by name.

A peer whose package is missing is left out, and `missing` names it; nothing is installed. What each of them computes
stands in its own module: `peers_torch`, `peers_onnxruntime`, `peers_openvino`.
"""

import importlib
from collections.abc import Callable
from types import ModuleType

import numpy as np
from peers_cases import Floats, Layer, NetworkCase, binary_logits, plain_logits

__all__ = ["PACKAGES", "layer_peers", "missing", "network_peers"]

#: The packages whose versions decide the peers' times.
PACKAGES = ["torch", "onnx", "onnxruntime", "openvino"]

TORCH, INT8 = "PyTorch fp32", "ONNX Runtime int8"
TORCH_EAGER, OPENVINO = "PyTorch fp32, eager", "OpenVINO binary"
OPENVINO_NCHW, OPENVINO_LAST = "OpenVINO binary, NCHW", "OpenVINO binary, NHWC"


def _module(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(f"peers_{name}")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in PACKAGES:
            raise  # a mistake of ours, not a package that is not there
        return None


_torch, _onnxruntime, _openvino = (_module(name) for name in ("torch", "onnxruntime", "openvino"))


def missing() -> list[str]:
    """Return the peers that are left out because a package of theirs is not installed."""
    found = {"PyTorch": _torch, "ONNX Runtime": _onnxruntime, "OpenVINO": _openvino}
    return [name for name, module in found.items() if module is None]


def _expect_equal(name: str, result: Floats, reference: Floats) -> None:
    if not np.array_equal(result, reference):
        raise SystemExit(f"{name} differs from the exact convolution, by up to {np.abs(result - reference).max()}")


def layer_peers(layer: Layer, threads: int) -> dict[str, Callable[[], object]]:
    """Return what to time, by name; every result has been found equal to the exact one, the border included.

    ONNX Runtime's output has eight bits: its result equals the exact one rounded to them.
    """
    peers, exact = {}, layer.reference
    if _torch:
        peers[TORCH] = _torch.prepacked_layer(layer, threads), exact
    if _onnxruntime:
        peers[INT8] = _onnxruntime.int8_layer(layer, threads), _onnxruntime.quantised(exact)
    if _openvino:
        peers[OPENVINO_NCHW] = _openvino.nchw_layer(layer, threads), exact
        peers[OPENVINO_LAST] = _openvino.channels_last_layer(layer, threads), exact
    for name, (peer, reference) in peers.items():
        _expect_equal(name, peer.result(), reference)
    return {name: peer.run for name, (peer, _) in peers.items()}


def network_peers(case: NetworkCase, threads: int) -> dict[str, tuple[Callable[[], object], float]]:
    """Return what to time, and by how much its logits err, by name."""
    plain, peers = plain_logits(case), {}
    if _torch:
        peers[TORCH] = _torch.packed_network(case, threads), plain
        peers[TORCH_EAGER] = _torch.eager_network(case, threads), plain
    if _onnxruntime:
        peers[INT8] = _onnxruntime.int8_network(case, threads), plain
    if _openvino:
        peers[OPENVINO] = _openvino.binary_network(case, threads), binary_logits(case)
    return {name: (peer.run, relative_error(peer.result(), reference)) for name, (peer, reference) in peers.items()}


def relative_error(result: Floats, reference: Floats) -> float:
    """Return what no logit of nine images in ten errs by, in standard deviations of the reference's logits.

    In an untrained network one sign that rounds the other way moves all logits of its image, now and then.
    """
    worst = np.abs(result - reference).max(axis=1)
    return float(np.quantile(worst, 0.9, method="lower") / reference.std())

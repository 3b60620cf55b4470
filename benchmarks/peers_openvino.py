"""OpenVINO's BinaryConvolution as a peer, float32 in and float32 out.

Three things about OpenVINO 2026.4 that cost more than they should to find out:

- The activations are binarised inside the graph by a FakeQuantize of two levels whose output range must be written
  as 0 to 1 for the CPU plug-in to produce bits (−1 to 1 goes another way, and its result is wrong); its thresholds
  must be given per channel, or the plug-in may read past them when the input is channels-last.
- Weights of type u1 are the bits of the (out, in, kh, kw) array in C order, least significant bit of a byte first.
  A Constant made from a Tensor shares its memory unless it is told not to, and does not keep the array alive.
- With NCHW outside, the reorder back from the plug-in's own channels-last layout can take most of the time. So there
  are two variants; the one that is channels-last outside runs without any reorder.
"""

import numpy as np
import openvino as ov
from openvino import opset1 as old
from openvino import opset13 as op
from peers_cases import AffineConv, Floats, Layer, NetworkCase, Peer

__all__ = ["binary_network", "channels_last_layer", "nchw_layer"]

_TO_LAST, _TO_FIRST = np.array([0, 2, 3, 1]), np.array([0, 3, 1, 2])


def _binarised(x: ov.Output) -> ov.Node:
    """Return the bits x > 0."""
    zero = np.zeros((1, x.get_shape()[1], 1, 1), np.float32)
    return op.fake_quantize(x, zero, zero, zero, zero + np.float32(1), 2)


def _binary_convolution(x: ov.Output, bits: Floats, stride: int, padding: int) -> ov.Node:
    """Return the convolution of ±1 activations (given as bits) with ±1 weights; the padding contributes nothing."""
    packed = ov.Tensor(np.packbits(bits, axis=None, bitorder="little"), list(bits.shape), ov.Type.u1)
    weight = ov.op.Constant(packed, shared_memory=False)
    pads = [padding] * 2
    return old.binary_convolution(_binarised(x), weight, [stride] * 2, pads, pads, [1, 1], "xnor-popcount", 0.0)


def _compile(y: ov.Node, x: ov.Node, threads: int) -> ov.InferRequest:
    options = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    return ov.Core().compile_model(ov.Model([y], [x]), "CPU", options).create_infer_request()


def _bound(request: ov.InferRequest, x: Floats, y: Floats) -> Peer:
    """Let the request read x and write y, without copies."""
    tensors = ov.Tensor(x, shared_memory=True), ov.Tensor(y, shared_memory=True)
    request.set_input_tensor(tensors[0])
    request.set_output_tensor(tensors[1])

    def result() -> Floats:
        y.fill(np.nan)
        request.infer()
        return y

    # The lambda holds x, y and the tensors as long as the request may use them.
    return Peer(lambda held=(x, y, tensors): request.infer(), result)


def nchw_layer(layer: Layer, threads: int) -> Peer:
    """Return the layer on the arrays that ours gets and makes: NCHW in and out."""
    batch, _, height, width = layer.x.shape
    x = op.parameter(layer.x.shape, np.float32)
    request = _compile(_binary_convolution(x.output(0), layer.bits, 1, 1), x, threads)
    return _bound(request, layer.x, np.empty((batch, len(layer.bits), height, width), np.float32))


def channels_last_layer(layer: Layer, threads: int) -> Peer:
    """Return the layer on NHWC arrays in and out; the plug-in absorbs the two transpositions."""
    values = np.ascontiguousarray(layer.x.transpose(0, 2, 3, 1))
    x = op.parameter(values.shape, np.float32)
    y = _binary_convolution(op.transpose(x, _TO_FIRST).output(0), layer.bits, 1, 1)
    request = _compile(op.transpose(y, _TO_LAST), x, threads)
    peer = _bound(request, values, np.empty((*values.shape[:3], len(layer.bits)), np.float32))
    return Peer(peer.run, lambda: peer.result().transpose(0, 3, 1, 2))


def _per_channel(values: Floats) -> ov.Node:
    return op.constant(values.reshape(1, -1, 1, 1))


def _binary(x: ov.Node, conv: AffineConv) -> ov.Node:
    """Return scale·conv(sign(x), ±1) + shift."""
    y = _binary_convolution(x.output(0), conv.weight > 0, conv.stride, conv.padding)
    return op.add(op.multiply(y, _per_channel(conv.scale)), _per_channel(conv.shift))


def _real(x: ov.Node, conv: AffineConv) -> ov.Node:
    pads = [conv.padding] * 2
    y = op.convolution(x, op.constant(conv.folded), [conv.stride] * 2, pads, pads, [1, 1])
    return op.add(y, _per_channel(conv.shift))


def binary_network(case: NetworkCase, threads: int) -> Peer:
    """Return the bipolar network: binary convolutions with batch norm as scale and shift, the rest in float32."""
    x = op.parameter(case.images.shape, np.float32)
    h = _real(x, case.stem)
    for block in case.blocks:
        z = _binary(_binary(h, block.first), block.second)
        h = op.clamp(op.add(z, _real(h, block.shortcut) if block.shortcut else h), -1.0, 1.0)
    pooled = op.reduce_mean(h, np.array([2, 3]), keep_dims=False)
    weight, bias = case.classifier
    y = op.add(op.matmul(pooled, op.constant(weight), False, True), op.constant(bias[None]))
    return _bound(_compile(y, x, threads), case.images, np.empty((len(case.images), len(bias)), np.float32))

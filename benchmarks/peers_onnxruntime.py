"""ONNX Runtime int8 as a peer: unsigned activations, signed weights, static quantisation, float32 in and out."""

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization
from peers_cases import AffineConv, Floats, Layer, NetworkCase, Peer, signs

__all__ = ["int8_layer", "int8_network", "quantised"]


def _session(model: bytes | str, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _bound(session: ort.InferenceSession, x: Floats, y: Floats) -> Peer:
    """Let the session read x and write y, without copies."""
    binding = session.io_binding()
    for bind, array in ((binding.bind_input, x), (binding.bind_output, y)):
        name = "x" if array is x else "y"
        bind(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)

    def result() -> Floats:
        y.fill(np.nan)
        session.run_with_iobinding(binding)
        return y

    # The lambda holds x and y as long as the binding points into them.
    return Peer(lambda held=(x, y): session.run_with_iobinding(binding), result)


def _model(nodes: list[onnx.NodeProto], x: Floats, y_shape: tuple[int, ...], constants: dict[str, np.ndarray]) -> bytes:
    graph = helper.make_graph(
        nodes,
        "peer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, y_shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _step(reference: Floats) -> np.float32:
    """Return the smallest power of two by which the largest value is at most 127 steps."""
    return np.float32(2.0 ** np.ceil(np.log2(np.abs(reference).max() / 127)))


def quantised(reference: Floats) -> Floats:
    """Return the exact result as `int8_layer` must round it: to 256 levels, ties to even.

    The step between the levels is a power of two, so that nothing else is rounded anywhere.
    """
    step = _step(reference)
    return np.clip(np.round(reference / step), -128, 127) * step


def int8_layer(layer: Layer, threads: int) -> Peer:
    """Return QuantizeLinear, QLinearConv, DequantizeLinear on channels-last arrays.

    The activations are already signs, so that binarising them costs this peer nothing; they come and go as float32,
    and the output keeps eight bits. ONNX Runtime absorbs the two transpositions, as its int8 kernel is channels-last.
    """
    out = len(layer.bits)
    x = np.ascontiguousarray(signs(layer.x > 0).transpose(0, 2, 3, 1))
    constants = {
        "x_scale": np.float32(1), "x_zero": np.uint8(128),
        "weight": signs(layer.bits).astype(np.int8), "weight_scale": np.ones(out, np.float32),
        "weight_zero": np.zeros(out, np.int8),
        "y_scale": _step(layer.reference), "y_zero": np.uint8(128),
    }  # fmt: skip
    inputs = ["x_int", "x_scale", "x_zero", "weight", "weight_scale", "weight_zero", "y_scale", "y_zero"]
    nodes = [
        helper.make_node("Transpose", ["x"], ["x_first"], perm=[0, 3, 1, 2]),
        helper.make_node("QuantizeLinear", ["x_first", "x_scale", "x_zero"], ["x_int"]),
        helper.make_node("QLinearConv", inputs, ["y_int"], kernel_shape=[3, 3], pads=[1] * 4, strides=[1, 1]),
        helper.make_node("DequantizeLinear", ["y_int", "y_scale", "y_zero"], ["y_first"]),
        helper.make_node("Transpose", ["y_first"], ["y"], perm=[0, 2, 3, 1]),
    ]
    y = np.empty((*x.shape[:3], out), np.float32)
    peer = _bound(_session(_model(nodes, x, y.shape, constants), threads), x, y)
    return Peer(peer.run, lambda: peer.result().transpose(0, 3, 1, 2))


class _Graph:
    """The nodes and constants of the plain float network, added in the order of the data flow."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {"low": np.float32(-1), "high": np.float32(1)}

    def add(self, kind: str, *inputs: str, **attributes: object) -> str:
        name = f"{kind}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=f"node_{name}", **attributes))
        return name

    def constant(self, value: Floats) -> str:
        name = f"constant{len(self.constants)}"
        self.constants[name] = value
        return name

    def conv(self, x: str, layer: AffineConv) -> str:
        weight, bias = self.constant(layer.folded), self.constant(layer.shift)
        kernel = list(layer.weight.shape[2:])
        pads, strides = [layer.padding] * 4, [layer.stride] * 2
        return self.add("Conv", x, weight, bias, kernel_shape=kernel, pads=pads, strides=strides)

    def hardtanh(self, x: str) -> str:
        return self.add("Clip", x, "low", "high")


def _plain_network(case: NetworkCase) -> bytes:
    """Return the float network of the same shape: hardtanh where the binary one takes signs, batch norm folded."""
    graph = _Graph()
    h = graph.conv("x", case.stem)
    for block in case.blocks:
        z = graph.conv(graph.hardtanh(graph.conv(h, block.first)), block.second)
        h = graph.hardtanh(graph.add("Add", z, graph.conv(h, block.shortcut) if block.shortcut else h))
    pooled = graph.add("Flatten", graph.add("GlobalAveragePool", h))
    weight, bias = case.classifier
    graph.nodes.append(
        helper.make_node("Gemm", [pooled, graph.constant(weight), graph.constant(bias)], ["y"], name="node_y", transB=1)
    )
    return _model(graph.nodes, case.images, (len(case.images), len(bias)), graph.constants)


class _Calibration(quantization.CalibrationDataReader):
    """The images of the case, once."""

    def __init__(self, images: Floats):
        self.left = iter([{"x": images}])

    def get_next(self) -> dict[str, Floats] | None:
        return next(self.left, None)


def int8_network(case: NetworkCase, threads: int) -> Peer:
    """Return the plain float network, statically quantised: MinMax ranges of these images, weights per channel."""
    with tempfile.TemporaryDirectory() as folder:
        plain, prepared, small = (Path(folder, f"{name}.onnx") for name in ("plain", "prepared", "int8"))
        plain.write_bytes(_plain_network(case))
        quantization.quant_pre_process(plain, prepared, skip_symbolic_shape=True)
        quantization.quantize_static(
            prepared, small, _Calibration(case.images), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
            activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )  # fmt: skip
        session = _session(str(small), threads)
    return _bound(session, case.images, np.empty((len(case.images), len(case.classifier[1])), np.float32))

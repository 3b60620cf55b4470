"""The stages of the real layers: convolution, linear, batch norm, activations, pooling, shortcut."""

from .shared_fields import CHANNELS, DX, EPS, GEOMETRY, INPUT, KERNELS, NORM, OUTPUT, RUNNING
from .stage import stage

__all__ = ["LAYER_STAGES"]

MAP = "(batch, channels, height, width)"
_X = "x: floats (batch, channels) or (batch, channels, height, width): the input"
_DY = "dy: floats (shape of x): gradient with respect to the output"
_DX_OF_X = "dx: floats (shape of x): gradient with respect to x"
_Y_OF_X = "y: floats (shape of x): the output"
_POOL = """
    size: ints (2,): height and width of the window
    stride: ints (2,): vertical and horizontal
"""
_INPUT_SIZE = "input_size: ints (2,): height and width of the input"

LAYER_STAGES = (
    stage(
        "conv2d", "Convolution", "conv2d",
        f"x: floats {INPUT}: the input\nweight: floats {KERNELS}: the kernels{GEOMETRY}",
        f"y: floats {OUTPUT}: the output",
    ),
    stage(
        "conv2d_grad_input", "Gradient of the convolution with respect to its input", "conv2d",
        f"dy: floats {OUTPUT}: gradient of the output\nweight: floats {KERNELS}: the kernels\n{_INPUT_SIZE}{GEOMETRY}",
        f"dx: floats {INPUT}: gradient of the input",
    ),
    stage(
        "conv2d_grad_weight", "Gradient of the convolution with respect to its kernels", "conv2d",
        f"""
        dy: floats {OUTPUT}: gradient of the output
        x: floats {INPUT}: the input
        kernel_size: ints (2,): height and width of the kernels
        {GEOMETRY}
        """,
        f"dweight: floats {KERNELS}: gradient of the kernels",
    ),
    stage(
        "linear", "Fully connected layer", "linear",
        "x: floats (batch, in): the input\nweight: floats (out, in): the weights\nbias: floats (out,): the bias",
        "y: floats (batch, out): the output",
    ),
    stage(
        "linear_backward", "Gradients of the fully connected layer", "linear",
        """
        dy: floats (batch, out): gradient of the output
        x: floats (batch, in): the input
        weight: floats (out, in): the weights
        """,
        """
        dx: floats (batch, in): gradient of the input
        dweight: floats (out, in): gradient of the weights
        dbias: floats (out,): gradient of the bias
        """,
    ),
    stage(
        "batchnorm_infer", "Batch norm with given statistics", "batchnorm",
        f"{_X}{NORM}{RUNNING}{EPS}", _Y_OF_X,
    ),
    stage(
        "batchnorm_train", "Batch norm with the statistics of the batch", "batchnorm", f"{_X}{NORM}{EPS}",
        f"{_Y_OF_X}\nmean: floats {CHANNELS}: of the batch\nvar: floats {CHANNELS}: of the batch, biased",
    ),
    stage(
        "batchnorm_backward", "Gradients of batch norm, through the statistics too", "batchnorm",
        f"""
        {_DY}
        {_X}
        weight: floats {CHANNELS}: scale of the batch norm
        mean: floats {CHANNELS}: of the batch
        var: floats {CHANNELS}: of the batch, biased
        {EPS}
        """,
        f"{_DX_OF_X}\ndweight: floats {CHANNELS}: gradient of the scale\ndbias: floats {CHANNELS}: of the shift",
    ),
    stage(
        "running_update", "Running statistics after one batch", "batchnorm",
        f"""
        {RUNNING}
        mean: floats {CHANNELS}: of the batch
        var: floats {CHANNELS}: of the batch, biased
        count: int: how many values of each channel the batch held
        momentum: float: weight of the batch
        """,
        f"new_mean: floats {CHANNELS}: running mean\nnew_var: floats {CHANNELS}: running variance, unbiased",
    ),
    stage("hardtanh", "Clip to [-1, 1]", "activation", "x: floats (any shape): numbers", _Y_OF_X),
    stage(
        "hardtanh_backward", "Gradient of hardtanh, 0 at both corners", "activation",
        "dy: floats (any shape): gradient of the output\nx: floats (shape of dy): the input", DX,
    ),
    stage("prelu", "PReLU, one slope per channel", "activation", f"{_X}\nslope: floats {CHANNELS}: slopes", _Y_OF_X),
    stage(
        "prelu_backward", "Gradients of PReLU", "activation", f"{_DY}\n{_X}\nslope: floats {CHANNELS}: slopes",
        f"{_DX_OF_X}\ndslope: floats {CHANNELS}: gradient of the slopes",
    ),
    stage("channel_bias", "Shift per channel", "activation", f"{_X}\nbias: floats {CHANNELS}: shifts", _Y_OF_X),
    stage(
        "channel_bias_backward", "Gradient of the shift per channel", "activation",
        "dy: floats (batch, channels) or (batch, channels, height, width): gradient of the output",
        f"dbias: floats {CHANNELS}: gradient of the shifts",
    ),
    stage(
        "avg_pool2d", "Average of every window", "pooling", f"x: floats {MAP}: the input{_POOL}",
        "y: floats (batch, channels, output height, output width): the averages",
    ),
    stage(
        "avg_pool2d_backward", "Gradient of average pooling", "pooling",
        f"dy: floats (batch, channels, output height, output width): gradient of the output\n{_INPUT_SIZE}{_POOL}",
        f"dx: floats {MAP}: gradient of the input",
    ),
    stage(
        "global_avg_pool", "Average of every map", "pooling", f"x: floats {MAP}: the input",
        "y: floats (batch, channels): the averages",
    ),
    stage(
        "global_avg_pool_backward", "Gradient of the average of every map", "pooling",
        f"dy: floats (batch, channels): gradient of the output\n{_INPUT_SIZE}",
        f"dx: floats {MAP}: gradient of the input",
    ),
    stage(
        "max_pool2d", "Largest value of every window", "pooling",
        f"x: floats {MAP}: the input{_POOL}padding: ints (2,): vertical and horizontal; it never wins",
        """
        y: floats (batch, channels, output height, output width): the maxima
        argmax: ints (batch, channels, output height, output width): h * width + w of the first maximum
        """,
    ),
    stage(
        "max_pool2d_backward", "Gradient of maximum pooling", "pooling",
        f"""
        dy: floats (batch, channels, output height, output width): gradient of the output
        argmax: ints (shape of dy): h * width + w of the maximum
        {_INPUT_SIZE}
        """,
        f"dx: floats {MAP}: gradient of the input",
    ),
    stage(
        "stride_and_pad", "Shortcut without parameters", "shortcut",
        f"x: floats {INPUT}: the input\nout_channels: int: of the output\nstride: ints (2,): vertical and horizontal",
        f"y: floats {OUTPUT}: every stride-th pixel, zero channels around",
    ),
    stage(
        "stride_and_pad_backward", "Gradient of the shortcut without parameters", "shortcut",
        f"""
        dy: floats {OUTPUT}: gradient of the output
        in_channels: int: of the input
        {_INPUT_SIZE}
        stride: ints (2,): vertical and horizontal
        """,
        f"dx: floats {INPUT}: gradient of the input",
    ),
)  # fmt: skip

"""Axes and fields that several stages have, as text that `stage.fields` reads."""

__all__ = ["CHANNELS", "DX", "EPS", "GEOMETRY", "INPUT", "KERNELS", "NORM", "OUTPUT", "RUNNING", "TAU_PHI"]

KERNELS = "(out, in, kernel height, kernel width)"
INPUT = "(batch, in, height, width)"
OUTPUT = "(batch, out, output height, output width)"
CHANNELS = "(channels,)"
DX = "dx: floats (shape of dy): gradient with respect to x"
TAU_PHI = """
    tau: float: half difference of the domain
    phi: float: midpoint of the domain
"""
GEOMETRY = """
    stride: ints (2,): vertical and horizontal
    padding: ints (2,): vertical and horizontal; it contributes nothing
"""
NORM = f"""
    weight: floats {CHANNELS}: scale of the batch norm
    bias: floats {CHANNELS}: shift of the batch norm
"""
RUNNING = f"""
    running_mean: floats {CHANNELS}: running mean
    running_var: floats {CHANNELS}: running variance
"""
EPS = "eps: float: added to the variance"

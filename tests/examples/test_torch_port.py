import subprocess
import sys
from pathlib import Path

import pytest

from bbdg_ref.conformance import vectors

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_port_to_pytorch_passes_every_vector():
    pytest.importorskip("torch", reason="the port to PyTorch needs torch")
    command = [sys.executable, "-m", "bbdg_ref.conformance", "run", "examples/ports/torch_port.py", "--timeout", "60"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    count = len(vectors())
    assert done.stdout.splitlines()[-1] == f"{count} cases: {count} passed, 0 failed"

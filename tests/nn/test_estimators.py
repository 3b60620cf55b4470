import numpy as np
import pytest
from oracles import estimators as oracle

from bbdg_ref.nn import EDE, ClippedSTE, Identity, Quadratic

X = np.array([-3.0, -1.0, -0.5, -0.0, 0.0, 0.5, np.nextafter(1, 0), 1.0, np.nextafter(1, 2), 2.0])


@pytest.mark.parametrize(
    ("estimator", "slope"),
    [
        (Identity(), oracle.identity),
        (ClippedSTE(), oracle.clipped),
        (Quadratic(), oracle.quadratic),
        (EDE(t=0.1, k=10.0), lambda x: oracle.ede(x, 0.1, 10.0)),
        (EDE(t=5.0, k=1.0), lambda x: oracle.ede(x, 5.0, 1.0)),
    ],
)
def test_an_estimator_multiplies_by_the_published_slope(estimator, slope):
    dy = np.linspace(1, 2, X.size)
    want = dy * [slope(float(x)) for x in X]
    assert np.allclose(estimator.backward(dy, X), want, rtol=0, atol=64 * np.finfo(float).eps)
    assert estimator.backward(dy.astype(np.float32), X.astype(np.float32)).dtype == np.float32

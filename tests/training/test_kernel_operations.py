"""XLA's form of an operation against TensorFlow's own, compiled by XLA too and not: the same bits."""

from __future__ import annotations

import numpy as np
import pytest

SPECIAL = [0.0, -0.0, 1.0, -1.0, 2e-38, -2e-38, 1e38, -1e38, np.inf, -np.inf, np.nan]
X = np.array([SPECIAL, [*np.linspace(-2, 2, len(SPECIAL))]], np.float32)
DY = np.array([[3.0] * len(SPECIAL), np.linspace(-1, 1, len(SPECIAL))], np.float32)
ARGUMENTS = {"relu_gradient": (DY, X)}


@pytest.mark.parametrize("compiled", [True, False], ids=["by XLA", "by TensorFlow"])
@pytest.mark.parametrize("name", ["relu", "relu_gradient", "column_sums", "absolute", "sign"])
def test_both_forms_give_the_same_values_of_every_kind_of_number(tensorflow, name, compiled):
    import tensorflow as tf

    from wineexp.training.kernels import TENSORFLOW, XLA

    assert {*TENSORFLOW._fields} == {"relu", "relu_gradient", "column_sums", "absolute", "sign"}
    given = [tf.constant(one) for one in ARGUMENTS.get(name, (X,))]
    own = tf.function(getattr(TENSORFLOW, name), jit_compile=True)(*given)
    other = tf.function(getattr(XLA, name), jit_compile=compiled)(*given)
    np.testing.assert_array_equal(other, own)
    assert other.dtype == own.dtype == tf.float32


def test_they_are_what_their_names_say(tensorflow):
    import tensorflow as tf

    from wineexp.training.kernels import XLA

    x = tf.constant([[-2.0, 0.0], [3.0, 0.5]])
    assert XLA.relu(x).numpy().tolist() == [[0.0, 0.0], [3.0, 0.5]]
    assert XLA.relu_gradient(x + 1, x).numpy().tolist() == [[0.0, 0.0], [4.0, 1.5]]
    assert XLA.column_sums(x).numpy().tolist() == [1.0, 0.5]
    assert XLA.absolute(x).numpy().tolist() == [[2.0, 0.0], [3.0, 0.5]]
    assert XLA.sign(x).numpy().tolist() == [[-1.0, 0.0], [1.0, 1.0]]

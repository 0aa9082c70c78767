"""All private names of TensorFlow and Keras in use, each with the loss if it disappears.

Any release may remove one: pyproject.toml has upper bounds, a test names each one, and ``make canary``
runs the tests on the newest releases. Without one of them results stay correct; time or memory is lost, or
``precision: mixed_bfloat16``.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import itertools
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from wineexp import imports

__all__ = [
    "PRIVATE_NAMES",
    "adam_moments",
    "allow_tracing_again",
    "bfloat16_product",
    "dismantle",
    "forget_kernels",
    "forgetting_gradients",
    "missing",
    "numbering",
    "saved_model",
    "traces_nothing",
    "uses_onednn",
]

#: (module or class, name) -> the loss without it.
PRIVATE_NAMES: dict[tuple[str, str], str] = {
    ("tensorflow.python.framework.func_graph", "dismantle_func_graph"): "1.6 MB for each variant trained",
    ("tensorflow.python.framework.ops.gradient_registry", "_registry"): "6 MB for each variant trained",
    ("tensorflow.python.framework.ops", "uid"): "what XLA compiled in an earlier process is not found again",
    ("tensorflow.python.eager.context", "context"): "0.2 s for each process",
    ("tensorflow.function", "_omit_frequent_tracing_warning"): "a warning from the fifth variant on",
    ("keras.optimizers.Adam", "_get_variable_index"): "the fused Adam step; Keras's own takes a dozen passes",
    ("keras.optimizers.Adam", "_momentums"): "the same",
    ("keras.optimizers.Adam", "_velocities"): "the same",
    ("keras.src.saving.saving_lib", "_serialize_model_as_json"): "saving a model without a temporary file",
    ("keras.src.saving.saving_lib", "H5IOStore"): "the same",
    ("keras.src.saving.saving_lib", "_save_state"): "the same",
    ("tensorflow.python.util._pywrap_util_port", "IsMklEnabled"): "`onednn` in run.json",
    ("tensorflow.Graph", "_MklMatMul"): "mixed_bfloat16, which fails then",
    ("tensorflow.core.framework.attr_value_pb2", "AttrValue"): "the same",
    ("keras.callbacks.TensorBoard", "_should_trace"): "its profiler cannot be told apart, so it is refused",
    **{  # declared in imports.py, where TensorFlow is not loaded yet
        (owner, name): "0.1 s and 36 MB for each process, with the others of these"
        for owner, _, name in (path.rpartition(".") for path in imports.TENSORFLOW_LATER)
    },
}

#: Settings of ``keras.optimizers.Adam`` that add to the algorithm.
BEYOND_ADAM = (
    "amsgrad", "clipnorm", "clipvalue", "global_clipnorm", "gradient_accumulation_steps", "loss_scale_factor",
    "use_ema", "weight_decay",
)  # fmt: skip


def missing() -> list[str]:
    """The private names that the installed TensorFlow and Keras do not have."""
    return [f"{owner}.{name}" for owner, name in PRIVATE_NAMES if not _there(owner, name)]


def _there(owner: str, name: str) -> bool:
    if owner == "keras.optimizers.Adam":  # its slots exist once it is built
        optimizer = keras.optimizers.Adam()
        optimizer.build([keras.Variable([0.0])])
        return hasattr(optimizer, name)
    if owner == "tensorflow.function":
        return hasattr(tf.function(lambda: None), name)
    if owner == "tensorflow.Graph":
        with contextlib.suppress(Exception), tf.Graph().as_default():
            return bfloat16_product(tf.zeros((2, 2)), tf.zeros((2, 2))) is not None
        return False
    if owner == "keras.callbacks.TensorBoard":
        return hasattr(keras.callbacks.TensorBoard(), name)
    return _get(owner, name) is not None


def _get(owner: str, name: str) -> Any:
    """``owner.name`` of TensorFlow or Keras, None if it is gone."""
    module, _, attribute = owner.rpartition(".")
    with contextlib.suppress(ImportError):
        return getattr(importlib.import_module(owner), name, None)
    with contextlib.suppress(ImportError, AttributeError):
        return getattr(getattr(importlib.import_module(module), attribute), name, None)
    return None


_dismantle_func_graph = _get("tensorflow.python.framework.func_graph", "dismantle_func_graph")
_saving = "keras.src.saving.saving_lib"
_model_as_json, _weights_store, _save_state = (
    _get(_saving, name) for name in ("_serialize_model_as_json", "H5IOStore", "_save_state")
)
_ops = _get("tensorflow.python.framework", "ops")
_context = _get("tensorflow.python.eager.context", "context")
_is_mkl_enabled = _get("tensorflow.python.util._pywrap_util_port", "IsMklEnabled")
_gradients = _get("tensorflow.python.framework.ops.gradient_registry", "_registry")
_attribute = _get("tensorflow.core.framework.attr_value_pb2", "AttrValue")  # loading compat.v1 for it takes 0.2 s


def dismantle(graph: Any) -> None:
    """Break the references within the graph of a while loop's body that will never run again.

    The graph is in a cycle of references through extension types, which the garbage collector cannot follow:
    1.6 MB per run for three layers of 64.
    """
    if _dismantle_func_graph is not None:
        _dismantle_func_graph(graph)


def forget_kernels() -> None:
    """Free the kernels that TensorFlow keeps for variables that are gone: 2 MB per run for three layers of 64.

    ``keras.utils.clear_session`` does so too, but it also loads TensorFlow's version 1 interface, and resets the
    numbering of the user's own models in this process.
    """
    if _context is None:
        keras.utils.clear_session(free_memory=False)
    else:
        _context().clear_kernel_cache()


@contextlib.contextmanager
def forgetting_gradients() -> Iterator[None]:
    """Remove the entries that tracing adds to TensorFlow's table of gradients.

    Each custom gradient that a trace meets (the kernels' and some of Keras's own) stays in that table for good,
    along with its graph and variables: 6 MB per run for three layers of 64. Once the epoch is traced, it is
    never differentiated again.
    """
    known: dict[str, Any] = {} if _gradients is None else _gradients
    before = set(known)
    try:
        yield
    finally:
        for name in [name for name in known.keys() - before if name.startswith("CustomGradient")]:
            del known[name]


@contextlib.contextmanager
def numbering(start: int) -> Iterator[None]:
    """Number the functions traced meanwhile from ``start`` on, whatever this process traced before.

    XLA looks up another process's machine code by everything it was compiled from, names included.
    """
    own = getattr(_ops, "uid", None)
    if own is None:
        yield
        return
    numbers = itertools.count(start)
    _ops.uid = lambda: next(numbers)
    try:
        yield
    finally:
        _ops.uid = own


def allow_tracing_again(function: Any) -> None:
    """Mark a compiled function as new: TensorFlow takes all trainers' functions for one, traced repeatedly."""
    function._omit_frequent_tracing_warning = True


def bfloat16_product(
    a: tf.Tensor, b: tf.Tensor, *, transpose_a: bool = False, transpose_b: bool = False
) -> tf.Tensor:
    """``tf.matmul`` of two float32 matrices, rounded to bfloat16 and multiplied by oneDNN; in a graph only.

    TensorFlow would choose this kernel by itself if oneDNN was switched on for the whole process, which would
    change the low bits of float32 too. Requested by its label, it runs without that; Eigen's takes twice as long.
    """
    kind = tf.bfloat16
    attributes = {
        "T": _attribute(type=kind.as_datatype_enum),
        "transpose_a": _attribute(b=transpose_a),
        "transpose_b": _attribute(b=transpose_b),
        "_kernel": _attribute(s=b"MklNameChangeOp"),
    }
    rounded = [tf.cast(a, kind), tf.cast(b, kind)]
    product = rounded[0].graph.create_op("_MklMatMul", rounded, [kind], name="product", attrs=attributes)
    return tf.cast(product.outputs[0], tf.float32)


def adam_moments(optimizer: keras.optimizers.Optimizer, weights: Sequence[Any]) -> list[tuple[Any, Any]] | None:
    """Adam's first and second moment of each weight; None if it is not plain Adam or stores them elsewhere."""
    if type(optimizer) is not keras.optimizers.Adam or not _is_plain(optimizer):
        return None
    try:
        slots = [optimizer._get_variable_index(weight) for weight in weights]
        return [(optimizer._momentums[slot], optimizer._velocities[slot]) for slot in slots]
    except AttributeError:
        return None


def _is_plain(adam: keras.optimizers.Adam) -> bool:
    """Whether nothing is set beyond Kingma and Ba's algorithm: clipping, weight decay, AMSGrad, a schedule."""
    unset = all(getattr(adam, name, None) in (None, False) for name in BEYOND_ADAM)
    return unset and isinstance(adam.learning_rate, keras.Variable)


def saved_model(model: keras.Model) -> bytes:
    """The bytes that ``model.save`` writes into a ``.keras`` file, made in memory.

    Keras makes a temporary folder for assets, which our layers do not have; the disk for such folders may be full
    or missing.
    """
    stream = io.BytesIO()
    if _model_as_json is None or _weights_store is None or _save_state is None:
        with tempfile.TemporaryDirectory() as folder:
            model.save(Path(folder) / "model.keras")
            return (Path(folder) / "model.keras").read_bytes()
    config, metadata = _model_as_json(model)
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("metadata.json", metadata)
        archive.writestr("config.json", config)
        weights = _weights_store("model.weights.h5", archive=archive, mode="w")
        _save_state(model, weights_store=weights, assets_store=None, inner_path="", visited_saveables=set())
        weights.close()
    return stream.getvalue()


def uses_onednn() -> bool | None:
    """Whether TensorFlow runs oneDNN's kernels; None if this version does not say.

    The environment variable is no evidence: it may have changed since TensorFlow read it.
    """
    return bool(_is_mkl_enabled()) if _is_mkl_enabled else None


def traces_nothing(callback: keras.callbacks.TensorBoard) -> bool:
    """Whether a TensorBoard callback profiles no batches; False if this Keras does not say."""
    return not getattr(callback, "_should_trace", True)

"""Which Keras callbacks an epoch in one compiled call can serve. Loads TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from wineexp.errors import CallbackError
from wineexp.training.keras_internals import traces_nothing

__all__ = ["check_callback", "end_batch"]

#: Hooks that Keras calls inside an epoch or around its validation; here both are compiled.
BATCH_HOOKS = (
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_begin",
    "on_test_end",
    "on_test_batch_begin",
    "on_test_batch_end",
)


def check_callback(callback: keras.callbacks.Callback) -> None:
    """Raise ``CallbackError`` where a callback needs hooks inside an epoch."""
    needed = [
        hook
        for hook in BATCH_HOOKS
        if getattr(getattr(callback, hook), "__func__", None) is not getattr(keras.callbacks.Callback, hook)
    ]
    if needed and not _content_with_epochs(callback):
        raise CallbackError(
            f"{type(callback).__name__} needs {', '.join(needed)}, but an epoch is one compiled call here: "
            "expected a callback with hooks only at the start and end of training and of epochs"
        )


def _content_with_epochs(callback: keras.callbacks.Callback) -> bool:
    """Whether a stock callback that has batch hooks does nothing in them as it is set up."""
    stock = keras.callbacks
    if type(callback) is stock.TerminateOnNaN:
        return True  # the epoch's mean is NaN or infinite when a batch's loss is; see end_batch
    if type(callback) in (stock.ModelCheckpoint, stock.BackupAndRestore):
        return getattr(callback, "save_freq", None) == "epoch"
    if type(callback) is stock.TensorBoard:
        return callback.update_freq == "epoch" and not callback.write_steps_per_second and traces_nothing(callback)
    return False


def end_batch(callbacks: Sequence[keras.callbacks.Callback], logs: dict[str, float]) -> None:
    """Call TerminateOnNaN, which looks at batches, once per epoch."""
    for callback in callbacks:
        if type(callback) is keras.callbacks.TerminateOnNaN:
            callback.on_batch_end(-1, logs)

"""TensorBoard's events as TensorBoard's own reader knows them, of a file that may still grow."""

from __future__ import annotations


def reader(folder):
    """A reader of every event of a folder; TensorFlow is loaded with it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder), size_guidance={"tensors": 0})


def read(events, tag="val_loss"):
    """Steps and values of a tag, as a reader that has read before knows them now; none before its first."""
    from tensorboard.util import tensor_util

    events.Reload()
    if tag not in events.Tags()["tensors"]:
        return [], []
    found = events.Tensors(tag)
    return [one.step for one in found], [float(tensor_util.make_ndarray(one.tensor_proto)) for one in found]

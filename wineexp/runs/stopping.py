"""What early stopping did in a finished run: where it ended, and which epoch's weights were kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wineexp.specs.run_spec import RunSpec
from wineexp.text import count_of, epoch_number

__all__ = ["Stopping", "stopping"]


@dataclass(frozen=True)
class Stopping:
    """How a run with early stopping ended; epochs are counted from 0.

    Attributes
    ----------
    epochs, planned : int
        The number of epochs trained, and the number planned.
    best : int
        The best epoch according to early stopping: a later one only counts as better if its val_loss is lower by
        ``min_delta``.
    restored : bool
        Whether that epoch's weights were kept, not the last one's.
    ran_out : bool
        Whether ``patience`` epochs passed without a better one.
    """

    epochs: int
    planned: int
    best: int
    restored: bool
    ran_out: bool

    @property
    def words(self) -> str:
        """``stopped after epoch 82 of 400; weights of epoch 77 kept``."""
        if self.epochs < self.planned:
            ended = f"{'stopped' if self.ran_out else 'ended'} after epoch {self.epochs} of {self.planned}"
        elif self.ran_out:
            ended = f"patience ran out in the last of {count_of(self.planned, 'epoch')}"
        else:
            ended = f"patience did not run out in {count_of(self.planned, 'epoch')}"
        return f"{ended}; {self.kept}"

    @property
    def kept(self) -> str:
        """``weights of epoch 77 kept``, or ``weights of the last epoch kept``."""
        which = f"epoch {epoch_number(self.best)}" if self.restored else "the last epoch"
        return f"weights of {which} kept"


def stopping(spec: RunSpec, val_losses: Sequence[float]) -> Stopping | None:
    """What early stopping did, from the epochs' val_loss; None for a spec without it.

    It follows Keras's ``EarlyStopping``: in float32, with ``min_delta`` subtracted from the best so far.
    """
    if spec.patience is None or not len(val_losses):
        return None
    best, waited, ran_out = 0, 0, False
    for epoch, loss in enumerate(val_losses):
        if epoch == 0 or np.float32(loss + spec.min_delta) < np.float32(val_losses[best]):
            best, waited = epoch, 0
        else:
            waited += 1
            ran_out = waited >= spec.patience
    return Stopping(len(val_losses), spec.epochs, best, spec.restore_best, ran_out)

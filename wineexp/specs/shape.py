"""The shape of a spec: what must be the same for one compiled epoch to train several."""

from __future__ import annotations

from wineexp.specs.run_spec import RunSpec, deciding

__all__ = ["shape_of"]


def shape_of(spec: RunSpec) -> RunSpec:
    """What specs share that one compiled epoch can train, if they have as many rows.

    Left out is what is declared to be no part of it, as a graph takes it as input: seeds, the rows, the learning
    rate; and how large a dropout rate above 0 is.
    """
    kept = {name: getattr(spec, name) for name in deciding("shape")}
    plain = RunSpec(optimizer=spec.optimizer)
    return plain.model_copy(update=kept | {"dropout": tuple(0.5 if rate else 0.0 for rate in spec.rates())})

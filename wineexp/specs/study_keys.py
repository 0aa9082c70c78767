"""The keys of a study, apart from the grammar that reads YAML, so that a flag's error can name them."""

from __future__ import annotations

__all__ = ["RUN_KEYS", "STUDY_KEYS"]

STUDY_KEYS = ("name", "defaults", "seeds", "runs", "grid", "split_seeds", "margin", "looks", "look_weights")

#: Keys that make a mapping a study; without any of them it is one run, whose ``name`` names the run.
RUN_KEYS = tuple(key for key in STUDY_KEYS if key != "name")

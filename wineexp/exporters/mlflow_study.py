"""What is said of a study, in its MLflow experiment: its own run, and for each variant the parent of its seeds."""

from __future__ import annotations

import time
from collections.abc import Collection

from wineexp.comparison.comparison import Comparison
from wineexp.comparison.variants import Variant
from wineexp.exporters.mlflow_server import MLflowServer
from wineexp.exporters.study import VariantFacts, digest_of, variant_facts
from wineexp.text import csv_text

__all__ = ["send_study"]

#: Tags: the study's name; of its own run what it is recognized by; of a variant its verdict in a word.
STUDY, DIGEST, VERDICT = "wineexp.study", "wineexp.digest", "wineexp.verdict"

#: MLflow's own tags: what is shown as description, and of whom a run is a child.
NOTE, PARENT = "mlflow.note.content", "mlflow.parentRunId"

#: Characters that every server takes for a tag's value.
MAX_NOTE = 5000


def send_study(server: MLflowServer, experiment: str, comparison: Comparison, name: str) -> bool:
    """Send what is said of a study, instead of what was said before; return False where it is there already."""
    digest = digest_of(comparison)
    if server.is_there(f"study {name}", lambda: server.tagged(DIGEST, digest, [experiment])):
        return False
    told = "\n\n".join((*comparison.sentences(), *comparison.notes))[:MAX_NOTE]
    tags = {STUDY: name, DIGEST: digest, NOTE: told}
    with server.new_run(experiment, f"study {name}", time.time(), tags) as own:
        server.client.log_text(own, csv_text(comparison.rows()), "compare.csv")
        sent = {own}
        for entry, facts in zip(comparison.entries, variant_facts(comparison), strict=True):
            sent.add(_send_variant(server, experiment, name, entry.variant, facts))
        _remove_earlier(server, experiment, name, sent)
        server.client.set_terminated(own, "FINISHED")
    return True


def _send_variant(server: MLflowServer, experiment: str, study: str, variant: Variant, facts: VariantFacts) -> str:
    """Send a variant and make it the parent of its seeds; return its id."""
    moment = time.time()
    tags = {STUDY: study, VERDICT: facts.word, NOTE: facts.sentence[:MAX_NOTE]}
    with server.new_run(experiment, variant.label, moment, tags) as parent:
        if variant.spec is not None:
            server.log_settings(
                parent, variant.spec, {"seed", "split_seed"} if variant.across_splits else {"seed"}
            )
        server.log_numbers(parent, [(key, value, moment, 0) for key, value in facts.numbers.items()])
        for run in (*variant.runs, *variant.unfinished):
            for child in server.known(run.record, [experiment]) if run.record else ():
                server.client.set_tag(child.info.run_id, PARENT, parent)
        server.client.set_terminated(parent, "FINISHED")
    return parent


def _remove_earlier(server: MLflowServer, experiment: str, study: str, sent: Collection[str]) -> None:
    """Delete what was said of a study before, and what a sending that was cut off has left; it can be restored."""
    for one in server.having(STUDY, [experiment]):
        if one.data.tags.get(STUDY) == study and one.info.run_id not in sent:
            server.client.delete_run(one.info.run_id)

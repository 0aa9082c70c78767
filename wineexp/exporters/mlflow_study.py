"""What is said of a study, in its MLflow experiment: its own run, and for each variant the parent of its seeds."""

from __future__ import annotations

import time
from collections.abc import Collection

from wineexp.exporters.mlflow_server import MLflowServer
from wineexp.exporters.study import StudyFacts, VariantFacts

__all__ = ["send_study"]

#: Tags: the study's name; of its own run what it is recognized by; of a variant its verdict in a word.
STUDY, DIGEST, VERDICT = "wineexp.study", "wineexp.digest", "wineexp.verdict"

#: MLflow's own tags: what is shown as description, and of whom a run is a child.
NOTE, PARENT = "mlflow.note.content", "mlflow.parentRunId"

#: Characters that every server takes for a tag's value.
MAX_NOTE = 5000


def send_study(server: MLflowServer, experiment: str, study: StudyFacts) -> bool:
    """Send what is said of a study, instead of what was said before; return False where it is there already."""
    name = f"study {study.name}"
    if server.is_there(name, lambda: server.tagged(DIGEST, study.digest, [experiment])):
        return False
    tags = {STUDY: study.name, DIGEST: study.digest, NOTE: study.text[:MAX_NOTE]}
    with server.new_run(experiment, name, time.time(), tags) as own:
        server.client.log_text(own, study.table, "compare.csv")
        sent = {own, *(_send_variant(server, experiment, study.name, variant) for variant in study.variants)}
        _remove_earlier(server, experiment, study.name, sent)
        server.client.set_terminated(own, "FINISHED")
    return True


def _send_variant(server: MLflowServer, experiment: str, study: str, variant: VariantFacts) -> str:
    """Send a variant and make it the parent of its seeds; return its id."""
    moment = time.time()
    tags = {STUDY: study, VERDICT: variant.word, NOTE: variant.sentence[:MAX_NOTE]}
    with server.new_run(experiment, variant.label, moment, tags) as parent:
        if variant.spec is not None:
            server.log_settings(parent, variant.spec, variant.varying)
        server.log_numbers(parent, [(key, value, moment, 0) for key, value in variant.numbers.items()])
        for record in variant.records:
            for child in server.known(record, [experiment]):
                server.client.set_tag(child.info.run_id, PARENT, parent)
        server.client.set_terminated(parent, "FINISHED")
    return parent


def _remove_earlier(server: MLflowServer, experiment: str, study: str, sent: Collection[str]) -> None:
    """Delete what was said of a study before, and what a sending that was cut off has left; it can be restored."""
    for one in server.having(STUDY, [experiment]):
        if one.data.tags.get(STUDY) == study and one.info.run_id not in sent:
            server.client.delete_run(one.info.run_id)

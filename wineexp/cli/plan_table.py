"""A plan on the terminal: ``--dry-run``."""

from __future__ import annotations

from wineexp.api.options import Where
from wineexp.api.places import choose_jobs, lacking_memory
from wineexp.cli.notes import note, say
from wineexp.cli.tables import print_table
from wineexp.cli.watch import tell_table
from wineexp.comparison.crossing import crosses_splits
from wineexp.comparison.variants import group_specs
from wineexp.execution.plan import Plan, PlanEntry
from wineexp.execution.standing import estimate_seconds, measured_speeds
from wineexp.listing import Column, Listing, number
from wineexp.runs.directory import folder_name
from wineexp.runs.run import find_runs
from wineexp.specs.looks import Looks
from wineexp.specs.run_spec import RunSpec, varying
from wineexp.specs.wording import format_value
from wineexp.text import format_duration

__all__ = ["show_plan", "tell_comparison"]


def show_plan(plan: Plan, form: str, where: Where) -> None:
    """Print the plan: every run that may be trained, their number, and the time that they will take."""
    tell_table(plan)
    print_table(Listing.of(_plan_columns(plan), plan.entries).filled("amend"), form)
    if plan.looks is not None:
        _tell_looks(plan, plan.looks)
    waiting, count = len(plan.waiting), len(plan.entries)
    again = len(plan.specs) - count
    amended = waiting - len(plan.to_train)
    say(
        f"{plan.name}: {count} runs, {count - waiting} of them done or skipped, {waiting - amended} to train"
        + (f", {amended} to predict with dropout left on" if amended else "")
        + (f" ({again} more are duplicates)" if again else "")
    )
    if not plan.to_train or where.dask:
        return
    if problem := lacking_memory(plan):
        note(problem)
    workers = choose_jobs(plan, where.jobs)
    speeds = measured_speeds(find_runs(plan.out))
    seconds = estimate_seconds(plan.to_train, plan.parameters, speeds, workers)
    if seconds is None:
        say(f"time: unknown; {plan.out} has no earlier run of similar size on this machine")
    else:
        most = "at most " if plan.looks else ""
        named = f"{workers} worker{'s' if workers > 1 else ''}"
        say(f"time: {most}about {format_duration(seconds)} with {named}, estimated from earlier runs")


def tell_comparison(plan: Plan, reference: RunSpec | None, *, page: bool) -> None:
    """Say what a study will compare its runs with, and where it will write the result."""
    wanted = reference or plan.specs[0].without_seed(across_splits=crosses_splits(plan.specs))
    label = next(variant.label for variant in group_specs(plan.specs) if variant.spec == wanted)
    say(f"reference: {label}" + (f"; margin {plan.margin:g}" if plan.margin else ""))
    say(f"figure, table{' and report' if page else ''}: {plan.out / folder_name(plan.name)}/")


def _plan_columns(plan: Plan) -> list[Column[PlanEntry]]:
    def field(name: str) -> Column[PlanEntry]:
        heading = name.replace("_", " ")
        return Column(name, heading, "", lambda entry: format_value(getattr(entry.spec, name)))

    return [
        Column("run", "run", "its names", lambda entry: " = ".join(entry.names) or entry.spec.label()),
        *map(field, varying(entry.spec for entry in plan.entries)),
        Column("seed", "seed", "", lambda entry: entry.spec.seed),
        Column("parameters", "parameters", "", lambda entry: plan.parameters(entry.spec), number(",d")),
        Column("before", "before", "what stands for it", lambda e: e.before.status if e.before else "new"),
        Column(
            "train", "train", "whether it is to be trained", lambda entry: entry.train and entry.amends is None
        ),
        Column("amend", "amend", "whether only its passes are missing", lambda e: True if e.amends else None),
    ]


def _tell_looks(plan: Plan, looks: Looks) -> None:
    """Say how many runs a study with planned looks trains at least and at most."""
    first = plan.part({spec for spec in plan.specs if spec.seed in looks.at(1)})
    shares = ", ".join(f"{share:g}" for share in looks.weights)
    say(
        f"looks at {looks} seeds (shares of the error rate {shares}): at least {len(first.entries)} runs, "
        f"{len(first.waiting)} of them to train, and at most {len(plan.entries)}; see below"
    )

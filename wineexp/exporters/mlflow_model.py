"""A run's model as MLflow keeps one: ``model.keras`` beside the file that says how to load it."""

from __future__ import annotations

import shutil
from pathlib import Path

from wineexp.runs.directory import MODEL, Run

__all__ = ["write_model"]

#: Name of the folder among a run's artifacts, as ``runs:/ID/model`` has it.
FOLDER = "model"

REQUIREMENTS, PYTHON = "requirements.txt", "python_env.yaml"


def write_model(run: Run, folder: Path) -> Path:
    """Write a run's model into ``folder/model``, as ``mlflow.keras`` saves one, but without loading Keras.

    Where it takes features as the table has them, its signature has their names, so that ``mlflow.pyfunc`` finds
    them in any order and refuses rows that lack one. Where it takes scaled ones, it is for ``mlflow.keras`` alone.
    """
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec

    record, versions = run.record, run.record.environment
    made = folder / FOLDER
    made.mkdir()
    shutil.copyfile(run.model_path, made / MODEL)
    described = Model()
    described.add_flavor(
        "keras",
        data=Path(MODEL).stem,  # its loader adds the suffix
        keras_version=versions.keras,
        keras_backend="tensorflow",
        save_exported_model=False,
    )
    # A record from before models could begin with their scaling does not say so.
    if record.spec.scale == "none" or record.data.scaling.in_model:
        columns: list[ColSpec | TensorSpec] = [ColSpec(DataType.double, name) for name in record.data.features]
        described.signature = ModelSignature(Schema(columns), Schema([ColSpec(DataType.double)]))
        described.add_flavor(
            "python_function",
            loader_module="mlflow.keras",
            python_version=versions.python,
            env={"virtualenv": PYTHON},
        )
    else:
        described.metadata = {"takes": "scaled features: (value - center) / scale, of data.scaling in run.json"}
    described.save(str(made / "MLmodel"))
    packages = {"keras": versions.keras, "tensorflow": versions.tensorflow, "numpy": versions.numpy}
    pinned = [f"{name}=={version}" if version else name for name, version in packages.items()]
    (made / REQUIREMENTS).write_text("\n".join(["mlflow", *pinned]) + "\n")
    python = f"python: {versions.python}\n" if versions.python else ""
    (made / PYTHON).write_text(f"{python}build_dependencies: [pip]\ndependencies: [-r {REQUIREMENTS}]\n")
    return made

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

    Its signature has the table's columns by name, so that ``mlflow.pyfunc`` finds them in any order and refuses
    rows that lack one.
    """
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, DataType, Schema, TensorSpec

    record, versions = run.record, run.record.environment
    made = folder / FOLDER
    made.mkdir()
    shutil.copyfile(run.model_path, made / MODEL)
    columns: list[ColSpec | TensorSpec] = [ColSpec(DataType.double, name) for name in record.data.features]
    described = Model(signature=ModelSignature(Schema(columns), Schema([ColSpec(DataType.double)])))
    described.add_flavor(
        "keras",
        data=Path(MODEL).stem,  # its loader adds the suffix
        keras_version=versions.keras,
        keras_backend="tensorflow",
        save_exported_model=False,
    )
    described.add_flavor(
        "python_function",
        loader_module="mlflow.keras",
        python_version=versions.python,
        env={"virtualenv": PYTHON},
    )
    described.save(str(made / "MLmodel"))
    packages = {"keras": versions.keras, "tensorflow": versions.tensorflow, "numpy": versions.numpy}
    pinned = [f"{name}=={version}" if version else name for name, version in packages.items()]
    (made / REQUIREMENTS).write_text("\n".join(["mlflow", *pinned]) + "\n")
    python = f"python: {versions.python}\n" if versions.python else ""
    (made / PYTHON).write_text(f"{python}build_dependencies: [pip]\ndependencies: [-r {REQUIREMENTS}]\n")
    return made

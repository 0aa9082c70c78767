"""The same models as keras_fit.py, trained by KerasTuner's GridSearch over the seeds.

python benchmarks/tuner.py TABLE.csv WIDTH EPOCHS RUNS
"""

import json
import os
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_tuner
import pandas as pd
from keras import layers

table_path, width, epochs, runs = sys.argv[1], *map(int, sys.argv[2:5])
table = pd.read_csv(table_path, sep=";")
train = table.sample(frac=0.7, random_state=0)
valid = table.drop(train.index)


def build(choice):
    keras.utils.set_random_seed(choice.Int("seed", 0, runs - 1))
    stack = [keras.Input((11,))]
    for _ in range(3):
        stack += [layers.Dense(width, activation="relu"), layers.Dropout(0.3), layers.BatchNormalization()]
    model = keras.Sequential([*stack, layers.Dense(1)])
    model.compile(optimizer="adam", loss="mae")
    return model


with tempfile.TemporaryDirectory() as folder:
    tuner = keras_tuner.GridSearch(build, objective="val_loss", max_trials=runs, directory=folder)
    start = time.perf_counter()
    tuner.search(
        train.drop(columns="quality"), train["quality"], batch_size=256, epochs=epochs, verbose=0,
        validation_data=(valid.drop(columns="quality"), valid["quality"]),
    )  # fmt: skip
print(json.dumps({"fit_seconds": time.perf_counter() - start}))

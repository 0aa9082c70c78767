"""The lesson written plainly: what a person would write without wineexp.

    python benchmarks/keras_fit.py TABLE.csv WIDTH EPOCHS [RUNS]

Prints one JSON line with the seconds spent in ``fit``, compilation included. The backend is Keras's own choice
(``KERAS_BACKEND``). With RUNS above 1, one process trains that many models one after the other. A table without a
column quality has two classes, 0 and 1, in its last column.
"""

import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import matplotlib
import pandas as pd
from keras import layers

matplotlib.use("Agg")
import matplotlib.pyplot as plt

table_path, width, epochs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
runs = int(sys.argv[4]) if len(sys.argv) > 4 else 1
table = pd.read_csv(table_path, sep=";")
train = table.sample(frac=0.7, random_state=0)
valid = table.drop(train.index)
target = "quality" if "quality" in table else table.columns[-1]
output, loss, metrics = (
    ("linear", "mae", []) if target == "quality" else ("sigmoid", "binary_crossentropy", ["accuracy"])
)
x, y = train.drop(columns=target), train[target]
x_valid, y_valid = valid.drop(columns=target), valid[target]

seconds = 0.0
for run in range(runs):
    keras.utils.set_random_seed(run)
    stack = [keras.Input(x.shape[1:])]
    for _ in range(3):
        stack += [layers.Dense(width, activation="relu"), layers.Dropout(0.3), layers.BatchNormalization()]
    model = keras.Sequential([*stack, layers.Dense(1, activation=output)])
    model.compile(optimizer="adam", loss=loss, metrics=metrics)
    start = time.perf_counter()
    history = model.fit(
        x, y, validation_data=(x_valid, y_valid), batch_size=256, epochs=epochs, verbose=0
    )  # fmt: skip
    seconds += time.perf_counter() - start
    frame = pd.DataFrame(history.history)
    frame.to_csv(os.devnull)
    frame.plot()
    plt.savefig(os.path.join(os.environ.get("TMPDIR", "/tmp"), f"keras_fit_{os.getpid()}.png"))
    plt.close("all")
os.remove(os.path.join(os.environ.get("TMPDIR", "/tmp"), f"keras_fit_{os.getpid()}.png"))
print(json.dumps({"fit_seconds": seconds, "val_loss": history.history["val_loss"][-1]}))

"""The lesson as a hand-written PyTorch loop: ``python benchmarks/torch_loop.py TABLE.csv WIDTH EPOCHS``."""

import json
import sys
import time

import numpy as np
import pandas as pd
import torch
from torch import nn

table_path, width, epochs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
table = pd.read_csv(table_path, sep=";")
train = table.sample(frac=0.7, random_state=0)
valid = table.drop(train.index)
x, x_valid = (torch.tensor(part.drop(columns="quality").to_numpy(np.float32)) for part in (train, valid))
y, y_valid = (torch.tensor(part[["quality"]].to_numpy(np.float32)) for part in (train, valid))

torch.manual_seed(0)
stack, last = [], x.shape[1]
for _ in range(3):
    stack += [nn.Linear(last, width), nn.ReLU(), nn.Dropout(0.3), nn.BatchNorm1d(width, eps=1e-3, momentum=0.01)]
    last = width
model = nn.Sequential(*stack, nn.Linear(last, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.001, eps=1e-7)
loss_of = nn.L1Loss()
start = time.perf_counter()
for _ in range(epochs):
    model.train()
    order = torch.randperm(len(x))
    for at in range(0, len(x), 256):
        rows = order[at : at + 256]
        optimizer.zero_grad()
        loss_of(model(x[rows]), y[rows]).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val_loss = loss_of(model(x_valid), y_valid).item()
print(json.dumps({"fit_seconds": time.perf_counter() - start, "val_loss": val_loss}))

"""Tables with the columns and kinds of the course's, made of random numbers: to try the configs beside this file.

    python configs/course/make_tables.py FOLDER

Nothing learnt from them says anything about concrete, cars, songs, radar or hotels. With the real tables under the
same names the configs repeat the course.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

Dice = np.random.RandomState

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
SOUNDS = (
    "danceability", "energy", "key", "loudness", "mode", "speechiness", "acousticness", "instrumentalness",
    "liveness", "valence", "tempo", "duration_ms",
)  # fmt: skip
BOOKED = (
    "lead_time", "arrival_date_week_number", "arrival_date_day_of_month", "stays_in_weekend_nights",
    "stays_in_week_nights", "adults", "children", "babies", "is_repeated_guest", "previous_cancellations",
    "previous_bookings_not_canceled", "required_car_parking_spaces", "total_of_special_requests", "adr",
)  # fmt: skip
CHOSEN = {
    "hotel": ("City Hotel", "Resort Hotel"), "arrival_date_month": MONTHS, "meal": ("BB", "FB", "HB", "SC"),
    "market_segment": ("Direct", "Corporate", "Online TA", "Groups"),
    "distribution_channel": ("Direct", "TA/TO", "GDS"),
    "reserved_room_type": tuple("ABCDEF"), "deposit_type": ("No Deposit", "Non Refund", "Refundable"),
    "customer_type": ("Transient", "Contract", "Group"),
}  # fmt: skip


def concrete(dice: Dice, rows: int = 1030) -> pd.DataFrame:
    """Eight features, in kilograms per cubic metre and days, and the strength."""
    names = (
        "Cement",
        "BlastFurnaceSlag",
        "FlyAsh",
        "Water",
        "Superplasticizer",
        "CoarseAggregate",
        "FineAggregate",
    )
    amounts = dice.uniform(0, 1, (rows, 7)) * (500, 350, 200, 240, 30, 1100, 950)
    age = dice.choice((3, 7, 14, 28, 90), rows)
    strength = 0.09 * amounts[:, 0] + 6 * np.log(age) + dice.normal(0, 5, rows)
    return pd.DataFrame(amounts.round(1), columns=names).assign(Age=age, CompressiveStrength=strength.round(2))


def fuel(dice: Dice, rows: int = 1107) -> pd.DataFrame:
    """Numbers and text of cars, and their fuel economy, always above 0."""
    size = dice.uniform(1, 7, rows)
    words = {
        "Air Aspiration Method": ("N", "T", "S"), "Transmission": ("Auto", "Manual", "CVT"),
        "Drive System": ("F", "R", "A", "4"),
    }  # fmt: skip
    return pd.DataFrame({"Eng Displ": size.round(1), "# Cyl": np.maximum(3, size.round() * 2).astype(int)}).assign(
        **{name: dice.choice(found, rows) for name, found in words.items()},
        FE=np.exp(4.2 - 0.15 * size + dice.normal(0, 0.1, rows)).round(4),
    )


def spotify(dice: Dice, rows: int = 3000) -> pd.DataFrame:
    """Twelve numbers of each song, its artist and genre; some cells are empty. Popularity is 0 to 100."""
    sounds = pd.DataFrame(dice.normal(size=(rows, 12)).round(3), columns=SOUNDS)
    popularity = np.clip(50 + 12 * sounds["energy"] + dice.normal(0, 20, rows), 0, 100).round()
    artists = np.array([f"artist {number}" for number in range(400)], dtype=object)[dice.randint(0, 400, rows)]
    genres = np.array(("edm", "latin", "pop", "r&b", "rap", "rock"), dtype=object)[dice.randint(0, 6, rows)]
    frame = sounds.assign(track_artist=artists, playlist_genre=genres, track_popularity=popularity.astype(int))
    frame.loc[dice.choice(rows, 15, replace=False), "tempo"] = np.nan
    frame.loc[dice.choice(rows, 5, replace=False), "track_artist"] = None
    return frame


def ion(dice: Dice, rows: int = 351) -> pd.DataFrame:
    """34 numbers of a radar's echo, the second of them always 0, and whether it shows structure."""
    echo = pd.DataFrame(
        dice.uniform(-1, 1, (rows, 34)).round(5), columns=[f"V{number}" for number in range(1, 35)]
    )
    good = echo["V3"] + 0.5 * echo["V5"] + dice.normal(0, 0.3, rows) > -0.2
    return echo.assign(V1=dice.randint(0, 2, rows), V2=0, Class=np.where(good, "good", "bad"))


def hotel(dice: Dice, rows: int = 4000) -> pd.DataFrame:
    """Numbers and text of bookings, some cells empty, and whether they were cancelled."""
    numbers = pd.DataFrame(dice.poisson(3, (rows, 14)), columns=BOOKED).assign(
        adr=dice.gamma(4, 25, rows).round(2)
    )
    words = {
        name: np.array(found, dtype=object)[dice.randint(0, len(found), rows)] for name, found in CHOSEN.items()
    }
    frame = numbers.assign(**words)
    frame["children"] = frame["children"].astype(float).mask(dice.uniform(size=rows) < 0.01)
    frame.loc[dice.uniform(size=rows) < 0.02, "meal"] = None
    chance = 1 / (1 + np.exp(1.5 - 0.3 * frame["lead_time"] - (frame["deposit_type"] == "Non Refund")))
    return frame.assign(is_canceled=(dice.uniform(size=rows) < chance).astype(int))


TABLES: dict[str, Callable[[Dice], pd.DataFrame]] = {
    "concrete": concrete, "fuel": fuel, "spotify": spotify, "ion": ion, "hotel": hotel,
}  # fmt: skip


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in TABLES.items():
        make(Dice(0)).to_csv(folder / f"{name}.csv", index=False)


if __name__ == "__main__":
    main(Path(*sys.argv[1:2]))

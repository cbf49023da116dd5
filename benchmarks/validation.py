"""The tables of docs/validation.md.

    python -m benchmarks.validation TABLE [worlds]

TABLE: gowalla, worlds, wallets, frontier, stages. gowalla and the shops other than CDNOW read ../shared/data.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
from tests import test_influence as stories
from tests import test_stage_holdouts as shops
from tests.test_validate_potential import households

import klantwaarde as kw
from klantwaarde.lifecycle.calibration import calibration
from klantwaarde.lifecycle.history import stage_history
from klantwaarde.network.influence import Influence, estimate_influence
from klantwaarde.purchases.datasets import cdnow_sample
from klantwaarde.validate.frontier import frontier_calibration
from klantwaarde.validate.potential import split_wallet

WORLDS = 40
WINDOWS = {56.0: (1.0, 2.0, 5.0, 10.0), 28.0: (1.0, 2.0, 4.0, 7.0)}  # days; a window is four times its longest decay
HOUSEHOLDS = ((4, 2), (4, 4), (1, 20))  # (r of needs, total concentration of shares)


def tell(*cells: object) -> None:
    """One row, as a page has it."""
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def gowalla() -> tuple[pd.DataFrame, dict[str, Any]]:
    """Check-ins of 1,000 users with the day, and friendships among them."""
    visits, friends = (
        pd.read_parquet(shops.DATA / "gowalla" / f"{name}.parquet")
        for name in ("checkins_1000_users", "friends_18737_users")
    )
    friends = friends[(friends.user_id < 1000) & (friends.friend_id < 1000)]
    links = {"source": friends.user_id.to_numpy(), "target": friends.friend_id.to_numpy()}
    return visits.assign(day=visits.timestamp.dt.floor("D")), links


def gowalla_table() -> None:
    visits, links = gowalla()
    codings = {"days with a check-in": visits.drop_duplicates(["user_id", "day"]), "all check-ins": visits}
    tell("orders", "window", "share", "95 %", "null", "p", "p_form", "decay", "used share", "verdict")
    for name, rows in codings.items():
        orders = {"customer": rows.user_id.to_numpy(), "time": rows.day.to_numpy()}
        for window, decays in WINDOWS.items():
            told = estimate_influence(orders, links, directed=False, same_day=False, window=window, decays=decays)
            tell(name, f"{window:.0f} d", *influence_cells(told))


def influence_cells(told: Influence) -> tuple[str, ...]:
    low, high = told.interval
    return (
        f"{told.share:.3f}",
        f"{low:.3f} to {high:.3f}",
        f"{told.null.mean:.3f} ± {told.null.deviation:.3f}",
        f"{told.p_value:.1g}",
        f"{told.p_form:.1g}",
        f"{told.decay:.1f} d",
        f"{told.used_share:.3f}",
        told.verdict,
    )


def worlds_table(worlds: int) -> None:
    """Simulated influence under similarity, and similarity alone."""
    tell("influence", "worlds", "true", "estimated", "RMSE", "95 % interval holds it", "told from similarity")
    for name, n, directed, count in (
        ("directed, 2,000 customers", 2000, True, worlds),
        ("undirected, 2,000", 2000, False, worlds),
        ("undirected, 8,000", 8000, False, worlds // 2),
    ):
        found = stories.estimates(range(1000, 1000 + count), directed=directed, n=n, chance=0.025)
        true, share = np.mean([[made.share, told.share] for made, told in found], axis=0)
        held = np.mean([told.interval[0] <= made.share <= told.interval[1] for made, told in found])
        alarms = np.mean([told.distinguishable for _, told in found])
        error = stories.root_mean_square(found)
        tell(name, count, f"{true:.3f}", f"{share:.3f}", f"{error:.3f}", f"{held:.2f}", f"{alarms:.2f}")
    tell("no influence", "worlds", "p below 0.05", "told from similarity, wrongly")
    alike: dict[str, dict[str, Any]] = {
        "one season for all": {"season": 0.8, "week": 0.5, "common": True},
        "seasons of clusters": {"season": 0.8},
        "directed": {"season": 0.5, "directed": True},
    }
    for name, story in alike.items():
        found = stories.estimates(range(2000, 2000 + worlds), n=1500, **story)
        low, wrong = np.mean([[told.p_value < 0.05, told.distinguishable] for _, told in found], axis=0)
        tell(name, worlds, f"{low:.3f}", f"{wrong:.3f}")


def wallets_table() -> None:
    tell("needs, shares", "score", "Spearman", "held by the top 20 %", "best in")
    for r, total in HOUSEHOLDS:
        for row in split_wallet(*households(r, total, 1_200, seed=1), last=364, repeats=12, seed=1).table():
            numbers = (f"{row['spearman']:.3f}", f"{row['captured']:.3f}", f"{row['best']:.0%}")
            tell(f"r = {r}, k = {total}", row["score"], *numbers)


def frontier_table() -> None:
    tell("orders", "tau", "bought more", "expected", "z")
    sources = {"CDNOW 1/10": (cdnow_sample(), "1997-09-30")}
    if shops.DATA.exists():
        sources["grocery"] = (shops.DATA / shops.SHOPS["grocery"].file, "2006-12-31")
    for name, (path, split) in sources.items():
        rows = pd.read_parquet(path)
        day = rows.date.to_numpy().astype("datetime64[D]").astype(int)
        after = float(np.datetime64(split).astype(int))
        found = frontier_calibration(rows.iloc[:, 0].to_numpy(), day, after)
        for row in found.table():
            tell(name, f"{row['tau']:.2f}", f"{row['above']:.3f}", f"{row['expected']:.3f}", f"{row['z']:.1f}")


def stages_table() -> None:
    """What customers do after a day, by the stage they were in; limits of lost from the other half of them."""
    tell("orders", "target", *(f"{stage.replace('_', ' ')}: later" for stage in shops.ALL_FOUR), "lost", "came back")
    for name, target in (("grocery", 0.10), ("cdnow", 0.10), ("cdnow", 0.20), ("apparel", 0.10)):
        tell(name, f"{target:.0%}", *stage_cells(shops.on_the_other_half(name, target)))
    apparel = shops.read("apparel")
    for year in (2006, 2007, 2008):
        cuts = calibration(kw.orders(apparel), kw.MBGNBD, as_of=f"{year}-12-31").cuts
        table = shops.watched(apparel, cuts, f"{year}-12-31", f"{year + 1}-12-31")
        tell(f"apparel, found in {year}, watched in {year + 1}", "10%", *stage_cells(table))
    tell("orders", "quarters", "seen three times", "A, B, A", "without an order in between")
    for name, shop in shops.SHOPS.items():
        days = [day.date() for day in pd.date_range(shop.as_of, shop.end, freq="QE")]
        flaps = stage_history(kw.orders(shops.read(name)), days, Model=kw.MBGNBD).flaps
        tell(name, len(days), f"{flaps.seen:,}", f"{flaps.rate:.1%}", f"{flaps.flapped_quietly:,}")


def stage_cells(table: pd.DataFrame) -> tuple[str, ...]:
    later = (f"{table.share[stage]:.1%}" if stage in table.index else "none" for stage in shops.ALL_FOUR)
    back = shops.rate_of(table)
    return (*later, f"{back.lost:,}", f"{back.returned:,} ({back.low:.1%} to {back.high:.1%})")


def main() -> None:
    worlds = int(sys.argv[2]) if sys.argv[2:] else WORLDS
    tables = {
        "gowalla": gowalla_table,
        "worlds": lambda: worlds_table(worlds),
        "wallets": wallets_table,
        "frontier": frontier_table,
        "stages": stages_table,
    }
    if not sys.argv[1:] or sys.argv[1] not in tables:
        sys.exit(f"Which table? {', '.join(tables)}.")
    tables[sys.argv[1]]()


if __name__ == "__main__":
    main()

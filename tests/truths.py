"""Tables of models and of numbers with their sources; and slow, independent ways to compute what the models say."""

from __future__ import annotations

from typing import NamedTuple

import mpmath as mp
import numpy as np
import pyarrow.parquet as pq

from klantwaarde.models import BGNBD, MBGNBD, NBD, GammaGamma, ParetoNBD
from klantwaarde.purchases.datasets import cdnow_sample

CDNOW_PARETO = ParetoNBD(0.553277, 10.577679, 0.606240, 11.668740)  # BTYD vignette, CLVTools test
CDNOW_BG = BGNBD(0.2426, 4.4136, 0.7930, 2.4262)  # BTYD vignette
CDNOW_MBG = MBGNBD(0.525, 6.183, 0.891, 1.614)  # own fit to CDNOW with another program
CDNOW_SPEND = GammaGamma(6.25, 3.74, 15.44)  # CLVTools test

TIMING = {  # one instance per model, CDNOW-like
    "nbd": NBD(0.385, 12.07),
    "bg_nbd": CDNOW_BG,
    "mbg_nbd": CDNOW_MBG,
    "pareto_nbd": CDNOW_PARETO,
}
TIMES = {"nbd": (1,), "bg_nbd": (1,), "mbg_nbd": (1,), "pareto_nbd": (1, 3)}  # which of them are in units of time

HISTORIES = [(0, 0.0, 38.86), (1, 5.0, 30.0), (2, 30.43, 38.86), (7, 35.0, 77.86), (26, 30.857, 31.0)]


class Oracle(NamedTuple):
    """A number from elsewhere: the model, what is asked, the arguments, the answer and its relative precision."""

    source: str
    model: object
    quantity: str
    arguments: tuple[float, ...]
    answer: float
    precision: float


BTYD_PARETO = ParetoNBD(0.5629966, 12.5590370, 0.4081095, 10.5148048)  # BTYD documentation
THREE_DIGITS = ParetoNBD(0.553, 10.58, 0.606, 11.656)  # as printed by Fader, Hardie & Lee (2005)
PEAK = BGNBD(0.5, 10.0, 0.8, 2.5)

ORACLES = [
    Oracle("BTYD vignette, E[X(52)]", CDNOW_PARETO, "expected_purchases", (52,), 1.473434, 1e-4),
    Oracle("BTYD vignette, E[X(52)]", CDNOW_BG, "expected_purchases", (52,), 1.444004, 1e-4),
    Oracle("BTYD vignette, customer 1516", CDNOW_PARETO, "cet", (52, 26, 216 / 7, 31), 25.45647, 1e-4),
    Oracle("BTYD vignette, customer 1516", CDNOW_BG, "cet", (52, 26, 216 / 7, 31), 25.75659, 1e-4),
    Oracle("BTYD vignette, customer 1516", CDNOW_PARETO, "p_alive", (26, 216 / 7, 31), 0.997874, 1e-6),
    Oracle("BTYD vignette, customer 1516", CDNOW_BG, "p_alive", (26, 216 / 7, 31), 0.9688523, 1e-5),
    Oracle("BTYD's inputs, mpmath", BTYD_PARETO, "p_alive", (7, 35, 77.86), 0.1007463, 1e-6),
    Oracle("BTYD's inputs, mpmath", BTYD_PARETO, "dert", (0.0027, 7, 35, 77.86), 1.864183, 3e-7),
    Oracle("mpmath", THREE_DIGITS, "p_alive", (0, 0, 38.86), 0.295092, 2e-6),
    Oracle("mpmath", THREE_DIGITS, "dert", (0.0027, 0, 0, 38.86), 0.476755, 2e-6),
    Oracle("mpmath", THREE_DIGITS, "p_alive", (2, 30.43, 38.86), 0.869135, 1e-6),
    Oracle("mpmath", THREE_DIGITS, "dert", (0.0027, 2, 30.43, 38.86), 6.482610, 1e-7),
]

GIVEN_ALIVE = [  # what a customer known to be alive at T is expected to buy
    Oracle("mpmath, 80 digits", PEAK, "purchases", (3650, 300, 365), 915.58, 1e-5),
    Oracle("mpmath, 80 digits", PEAK, "purchases", (3650, 400, 365), 1219.3255, 1e-7),
    Oracle("mpmath, 80 digits", PEAK, "purchases", (730, 1100, 730), 809.95, 1e-5),
    Oracle("mpmath, 80 digits", PEAK, "purchases", (365, 1100, 730), 459.53, 1e-5),
    Oracle("mpmath quad", CDNOW_BG, "discounted", (0.0027, 0, 38.86), 1.0142241, 5e-8),
    Oracle("mpmath quad", CDNOW_BG, "discounted", (0.0027, 2, 38.86), 7.0961652, 1e-8),
    Oracle("mpmath, A lambda", BTYD_PARETO, "discounted", (0.0027, 7, 77.86), 221.220541 * 0.08364385, 4e-8),
    Oracle("mpmath, A lambda", THREE_DIGITS, "discounted", (0.0027, 0, 38.86), 144.4410 * 0.011185, 5e-5),
    Oracle("mpmath, A lambda", THREE_DIGITS, "discounted", (0.0027, 2, 38.86), 144.4410 * 0.051638, 1e-5),
]


def cdnow_histories() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x, t_x, T) in weeks of the 2,357 CDNOW customers, calibration to 1997-09-30; one purchase a day."""
    orders = pq.read_table(cdnow_sample()).to_pandas()
    orders = orders.set_axis(["customer", "day", *orders.columns[2:]], axis=1)
    orders = orders[orders.day.astype("datetime64[s]") <= np.datetime64("1997-09-30")]
    days = orders.drop_duplicates(["customer", "day"]).groupby("customer").day.agg(["min", "max", "count"])
    first, last = (days[name].to_numpy().astype("datetime64[D]") for name in ("min", "max"))
    weeks = lambda gap: gap.astype(float) / 7
    return days["count"].to_numpy() - 1.0, weeks(last - first), weeks(np.datetime64("1997-09-30") - first)


def bg_purchases(model: BGNBD, t: float) -> float:
    """Equation 9 of the paper with 60 digits; at a = 1, where it is 0 / 0, its limit by a shift of 1e-25."""
    with mp.workdps(60):
        r, alpha, a, b, t = map(mp.mpf, (*model, t))
        a += mp.mpf(10) ** -25 if a == 1 else 0
        survived = mp.exp(-r * mp.log1p(t / alpha)) * mp.hyp2f1(r, b, a + b - 1, t / (alpha + t))
        return float((a + b - 1) / (a - 1) * (1 - survived))


def pareto_branches(model: ParetoNBD, x: int, t_x: float, T: float) -> tuple[mp.mpf, mp.mpf]:
    """(alive, gone) by integration over both latent rates; gone from the story: death between t_x and T."""
    r, alpha, s, beta = map(mp.mpf, model)
    rate = lambda u: mp.exp((r + x) * mp.log(alpha) - (r + x) * mp.log(alpha + u)) / alpha**x * mp.rf(r, x)
    # Over lambda the gamma integral is exact; over mu and the time of death it is done numerically.
    density = lambda mu: mp.exp(s * mp.log(beta) + (s - 1) * mp.log(mu) - beta * mu) / mp.gamma(s)
    scale = s / (beta + t_x)
    cuts = [0, scale / 100, scale, 4 * scale, 20 * scale, 100 * scale, mp.inf]
    alive = rate(T) * mp.quad(lambda mu: density(mu) * mp.exp(-mu * T), cuts)
    death = lambda u: mp.quad(lambda mu: mu * density(mu) * mp.exp(-mu * u), cuts)
    gone = mp.quad(lambda u: rate(u) * death(u), [t_x, (t_x + T) / 2, T])
    return alive, gone


def bg_branches(model: BGNBD | MBGNBD, x: int, t_x: float, T: float) -> tuple[mp.mpf, mp.mpf]:
    """(alive, gone) by integration over the latent rate and coin; MBG/NBD throws one coin more."""
    r, alpha, a, b = map(mp.mpf, model)
    coins = x + isinstance(model, MBGNBD)

    def buying(until: float) -> mp.mpf:  # over lambda = e^w, around the mode of its posterior
        mode, width = mp.log((r + x) / (alpha + until)), 1 / mp.sqrt(r + x)
        power = lambda w: mp.exp((r + x) * w - mp.exp(w) * (alpha + until))
        cuts = [mode + width * k for k in (-100, -40, -20, -10, -5, -2, 0, 2, 5)]
        return mp.quad(power, cuts) * alpha**r / mp.gamma(r)

    coin = lambda ended, fell: (
        mp.quad(lambda p: p ** (a + ended - 1) * (1 - p) ** (b + fell - 1), [0, 1e-6, 1e-3, 0.1, 0.9, 1])
        / mp.beta(a, b)
    )
    return buying(T) * coin(0, coins), buying(t_x) * coin(1, coins - 1) if coins else mp.mpf(0)


def dert_by_definition(model: object, delta: float) -> float:
    """delta times the integral of e^(-delta t) purchases(t) over all t, of someone alive at 0."""
    with mp.workdps(15):
        total = mp.quad(lambda v: mp.exp(-v) * float(model.purchases(float(v) / delta)), [0, 0.01, 0.1, 1, 4, 12, 40])
    return float(total)

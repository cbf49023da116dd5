"""What is asked of every model: one function per quantity, the same order of arguments everywhere.

Plain numbers in the unit of the fit; arguments broadcast against each other and the model's parameters.
x: repeat purchases; t_x: time from first to last purchase; T: time from first purchase to now.
A history must be finite with x >= 0 and 0 <= t_x <= T, else BadParameters names the first row that is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

import numpy as np
from scipy.special import expit

from klantwaarde.errors import BadParameters, kind_of
from klantwaarde.numerics import BLOCK, cores, in_blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from klantwaarde.typing import Array, AttritionModel, SpendModel, Values

    Model = TypeVar("Model", bound=AttritionModel | SpendModel)

DRAWN = 1_048_576
"""Draws times rows that are looked at together: 8 MB an array."""

FEW = 1_000  # rows below which looking for equal histories costs more than it saves


@overload
def log_likelihood(model: AttritionModel, x: Values, t_x: Values, T: Values) -> Array: ...
@overload
def log_likelihood(model: SpendModel, x: Values, zbar: Values) -> Array: ...
def log_likelihood(model: AttritionModel | SpendModel, *history: Values, **named: Values) -> Array:
    """Log density of a history: (x, t_x, T) of an attrition model, (x, zbar) of a spend model."""
    _is_model(model)
    if hasattr(model, "log_branches"):
        x, t_x, T = _bound(model, ("x", "t_x", "T"), history, named)
        _possible(x, t_x, T)
        return _by_rows(_log_history, model, x, t_x, T)
    x, zbar = _bound(model, ("x", "zbar"), history, named)
    _paid(x, zbar)
    return _by_rows(lambda part, bought, mean: part.log_likelihood(bought, mean), model, x, zbar)


def p_alive(model: AttritionModel, x: Values, t_x: Values, T: Values) -> Array:
    """P(alive at T | x, t_x, T)."""
    _possible(x, t_x, T)
    return _by_rows(_p_alive, model, x, t_x, T)


def cet(model: AttritionModel, t: Values, x: Values, t_x: Values, T: Values) -> Array:
    """Conditional expected transactions: purchases expected in (T, T + t]."""
    _not_negative(t, "the horizon t")
    return p_alive(model, x, t_x, T) * _if_alive(_purchases, model, t, x, T)


def dert(model: AttritionModel, delta: Values, x: Values, t_x: Values, T: Values) -> Array:
    """Discounted expected residual transactions without end: one at T + t counts e^(-delta t); delta > 0."""
    _positive(delta, "the discount rate delta")
    return p_alive(model, x, t_x, T) * _if_alive(_discounted, model, delta, x, T)


def lifetime(model: AttritionModel, delta: Values, x: Values, T: Values) -> Array:
    """Discounted lifetime left of someone who is alive at T: purchases to come over their rate; delta > 0."""
    return _if_alive(_lifetime, model, delta, x, T)


def p_active(model: AttritionModel, t: Values, x: Values, t_x: Values, T: Values) -> Array:
    """P(at least one purchase in (T, T + t])."""
    _not_negative(t, "the horizon t")
    return p_alive(model, x, t_x, T) * _if_alive(_active, model, t, x, T)


def expected_purchases(model: AttritionModel, t: Values) -> Array:
    """Repeat purchases expected of a newcomer in (0, t]."""
    _not_negative(t, "the horizon t")
    alive, population = _checked(model).born()
    return np.asarray(alive * _by_rows(_purchases, population, t))


def det(model: AttritionModel, delta: Values) -> Array:
    """Discounted expected repeat transactions of a newcomer, the first purchase not counted. delta > 0."""
    _positive(delta, "the discount rate delta")
    alive, population = _checked(model).born()
    return np.asarray(alive * _by_rows(_discounted, population, delta))


def draws_of(model: AttritionModel | SpendModel) -> int:
    """How many draws of the parameters a model holds, in fields of shape (draws, 1); 0 where they are no draws."""
    return max((len(field) for field in map(np.asarray, _fields(model)) if field.ndim == 2), default=0)


def over_draws(
    ask: Callable[..., Mapping[str, Array]],
    model: AttritionModel,
    *history: Array,
    reduce: Callable[[Array], Array] = lambda values: values.mean(axis=0),
) -> dict[str, Array]:
    """What `ask(model, *rows)` answers, reduced over the draws of the model's parameters, a block of rows at a time.

    history: arrays of shape (rows,). ask gives arrays (draws, rows) by name; reduce makes (rows,) of each, such as the
    mean or a quantile. Memory is that of a block, however many draws and rows there are.
    """
    rows = len(history[0])
    order = np.lexsort(history[::-1])  # rows that share what does not depend on t_x come together
    size = max(1, DRAWN // max(draws_of(model), 1))
    found: dict[str, Array] = {}
    for start in range(0, rows, size):
        which = order[start : start + size]
        for name, values in ask(model, *(column[which] for column in history)).items():
            found.setdefault(name, np.empty(rows))[which] = reduce(values)
    return found


def _log_history(model: AttritionModel, x: Values, t_x: Values, T: Values) -> Array:
    return np.asarray(np.logaddexp(*model.log_branches(x, t_x, T)))


def _p_alive(model: AttritionModel, x: Values, t_x: Values, T: Values) -> Array:
    odds: Callable[..., Array] | None = getattr(model, "gone_to_alive", None)
    if odds is not None:
        with np.errstate(over="ignore"):  # beyond a double nobody is alive
            return np.asarray(1 / (1 + odds(x, t_x, T)))
    alive, gone = model.log_branches(x, t_x, T)
    return np.asarray(expit(alive - gone))


def _purchases(model: AttritionModel, t: Values) -> Array:
    return model.purchases(t)


def _discounted(model: AttritionModel, delta: Values) -> Array:
    return model.discounted(delta)


def _lifetime(model: AttritionModel, delta: Values) -> Array:
    return np.asarray(model.discounted(delta) / model.rate())


def _active(model: AttritionModel, t: Values) -> Array:
    return model.active(t)


def _if_alive(
    ask: Callable[[AttritionModel, Values], Array], model: AttritionModel, ahead: Values, x: Values, T: Values
) -> Array:
    """Answer of the population given alive, which t_x does not touch: once per distinct (x, T) of many rows.

    1.5 million histories in days share some 50,000 pairs.
    """

    def answer(part: AttritionModel, far: Values, bought: Values, until: Values) -> Array:
        return ask(part.given_alive(bought, 0.0, until), far)

    alike = all(np.ndim(parameter) == 0 or np.shape(parameter)[-1] == 1 for parameter in _fields(model))
    one_axis = max(np.ndim(x), np.ndim(T)) == 1
    if np.ndim(ahead) or not alike or not one_axis or max(np.size(x), np.size(T)) < FEW:
        return _by_rows(answer, model, ahead, x, T)
    xs, Ts, inverse = _distinct_pairs(*np.broadcast_arrays(x, T))
    return np.asarray(_by_rows(answer, model, ahead, xs, Ts)[..., inverse])


def _distinct_pairs(x: Array, T: Array) -> tuple[Array, Array, Array]:
    (xs, of_x), (Ts, of_T) = (np.unique(values, return_inverse=True) for values in (x, T))
    keys = of_x.reshape(x.shape) * len(Ts) + of_T.reshape(x.shape)
    found, inverse = np.unique(keys, return_inverse=True)
    return xs[found // len(Ts)], Ts[found % len(Ts)], inverse.reshape(x.shape)


def _by_rows(ask: Callable[..., Array], model: Model, *arguments: Values) -> Array:
    """Values of ask(model, *arguments) on all cores, in blocks of rows; parameters per row are cut along."""
    build, fields = type(_checked(model)), _fields(model)

    def part(*values: Values) -> Array:
        return ask(build(*values[: len(fields)]), *values[len(fields) :])

    return in_blocks(part, BLOCK, *fields, *map(_numbers, arguments), workers=cores())


def _fields(model: AttritionModel | SpendModel) -> tuple[Values, ...]:
    # Models are NamedTuples, which a Protocol cannot say.
    return tuple(map(_numbers, cast("tuple[Values, ...]", model)))


def _numbers(values: Values) -> Array:
    return np.asarray(values, dtype=float)


def _checked(model: Model) -> Model:
    _is_model(model)
    for name, values in zip(cast("Any", model)._fields, _fields(model), strict=True):
        _positive(values, f"{type(model).__name__}'s {name}")
    return model


def _is_model(model: object) -> None:
    """Raise BadParameters for what is no model, such as a fit, which holds one."""
    if isinstance(model, type) or not hasattr(model, "_fields"):
        remedy = "hand in fit.model" if hasattr(model, "model") else "kw.ParetoNBD(r, alpha, s, beta) is one"
        raise BadParameters(f"The first argument has to be a model, but {kind_of(model)} was handed in: {remedy}.")


def _bound(
    model: object, names: tuple[str, ...], history: tuple[Values, ...], named: dict[str, Values]
) -> tuple[Values, ...]:
    """The history in the order of names, whether given by place or by name."""
    rest = names[len(history) :]
    if len(history) > len(names) or named.keys() != set(rest):
        given = ", ".join([f"{len(history)} by place", *named])
        raise TypeError(f"log_likelihood of {type(model).__name__} takes {', '.join(names)}; given were {given}.")
    return *history, *(named[name] for name in rest)


def _possible(x: Values, t_x: Values, T: Values) -> None:
    x, t_x, T = map(_numbers, (x, t_x, T))
    # A minimum or maximum is NaN if one value is, and no comparison holds for NaN.
    good = _lowest(x) >= 0 and _highest(x) < np.inf and _lowest(t_x) >= 0 and _highest(T) < np.inf
    if not (good and np.all(t_x <= T)):
        each = (x >= 0) & (x < np.inf) & (t_x >= 0) & (t_x <= T) & np.isfinite(T)
        _refuse_row(each, "a history must be finite with x >= 0 and 0 <= t_x <= T", x=x, t_x=t_x, T=T)


def _paid(x: Values, zbar: Values) -> None:
    x, zbar = map(_numbers, (x, zbar))
    each = (x > 0) & (x < np.inf) & (zbar > 0) & (zbar < np.inf)
    _refuse_row(each, "spend must be finite with x > 0 and zbar > 0", x=x, zbar=zbar)


def _lowest(values: Array) -> float:
    return float(np.min(values, initial=np.inf))


def _highest(values: Array) -> float:
    return float(np.max(values, initial=-np.inf))


def _refuse_row(good: Array, rule: str, **columns: Array) -> None:
    if np.all(good):
        return
    at = np.unravel_index(np.argmin(good), np.shape(good))
    row = f" row {', '.join(map(str, at))} has" if at else " it has"
    values = ", ".join(f"{name} = {np.broadcast_to(column, good.shape)[at]}" for name, column in columns.items())
    raise BadParameters(f"{rule}, but{row} {values}.")


def _positive(values: Values, name: str) -> None:
    good = np.isfinite(values) & np.greater(values, 0)
    _refuse(values, ~good, f"{name} must be finite and greater than 0")


def _not_negative(values: Values, name: str) -> None:
    good = np.isfinite(values) & np.greater_equal(values, 0)
    _refuse(values, ~good, f"{name} must be finite and not negative")


def _refuse(values: Values, bad: Array, rule: str) -> None:
    if np.any(bad):
        raise BadParameters(f"{rule}, but is {np.asarray(values)[bad].flat[0]}.")

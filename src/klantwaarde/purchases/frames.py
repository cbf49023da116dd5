"""Data frames as pandas users expect them: money as floats, days as timestamps, names of groups in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd


def grouped_in_order(frame: pd.DataFrame, orders: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """The frame with these columns as ordered categories; a column that is not there is left out."""
    import pandas as pd  # noqa: PLC0415 - half a second that others do without

    for column, names in orders.items():
        if column in frame.columns:
            frame[column] = pd.Categorical(frame[column], categories=list(names), ordered=True)
    return frame


def framed(table: pa.Table, orders: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """An Arrow table as such a frame; an id that is DECIMAL stays what it is."""
    money = [field for field in table.schema if pa.types.is_decimal(field.type) and field.name != "customer_id"]
    days = [field for field in table.schema if pa.types.is_date(field.type)]
    kinds = dict.fromkeys((field.name for field in money), pa.float64())
    kinds |= dict.fromkeys((field.name for field in days), pa.timestamp("us"))
    fields = [pa.field(field.name, kinds.get(field.name, field.type)) for field in table.schema]
    frame: pd.DataFrame = table.cast(pa.schema(fields)).to_pandas()
    return grouped_in_order(frame, orders)

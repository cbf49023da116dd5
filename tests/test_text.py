"""Text files in every dialect: read whole, line by line as pandas or Python's own reader has them."""

from __future__ import annotations

import bz2
import csv
import datetime as dt
import gzip
import io
import lzma
import tempfile
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import klantwaarde as kw
from klantwaarde.engine.duckdb import DuckDB
from klantwaarde.sources.source import open_source

HEAD = "customer_id,date,amount\n"


def read(path: Path, encoding: str = "utf-8") -> list[tuple[str | None, ...]]:
    """The lines as they were read, text and all."""
    engine = DuckDB(threads=1)
    open_source(engine, "source", path, table=None, encoding=encoding)
    return [tuple(row.values()) for row in engine.rows("select * from source")]


TEXTS = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0\ufeff"), max_size=8)
CELLS = st.lists(st.tuples(st.sampled_from(["a", "b", "00123"]), TEXTS, st.integers(-999, 999)), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    CELLS,
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.sampled_from(["", ".gz", ".bz2", ".xz"]),
)
def test_what_pandas_writes_is_read_back(
    cells: list[tuple[str, str, int]], sep: str, end: str, quoting: int, encoding: str, packed: str
) -> None:
    frame = pd.DataFrame(cells, columns=["customer_id", "note", "amount"])
    text = io.StringIO(newline="")
    frame.to_csv(text, sep=sep, lineterminator=end, quoting=quoting, index=False)  # type: ignore[call-overload]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"o.csv{packed}"
        open_ = {"": io.open, ".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}[packed]
        with open_(path, "wb") as file:
            file.write(text.getvalue().encode(encoding))
        found = read(path, encoding)
    assert found == [(who, note or None, str(amount)) for who, note, amount in cells]


SAME = [("A", "2023-01-02", "10"), ("B", "2023-02-02", "20"), ("A", "2023-03-02", "30")]
BODY = ["A,2023-01-02,10", "B,2023-02-02,20", "A,2023-03-02,30"]


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "\n".join(BODY),
        HEAD + "\r\n".join(BODY),
        HEAD.replace("\n", "\r\n") + "\n".join(BODY),
        (HEAD + "\n".join(BODY)).replace("\n", "\r"),
        HEAD + f"{BODY[0]}\r\n{BODY[1]}\n{BODY[2]}\r\n",
        "sep=,\n" + HEAD + "\n".join(BODY),
        "sep=;\r\n" + (HEAD + "\n".join(BODY)).replace(",", ";"),
        "SEP=\t\n" + (HEAD + "\n".join(BODY)).replace(",", "\t"),
        "sep=^\n" + (HEAD + "\n".join(BODY)).replace(",", "^"),
        "\ufeffsep=;\n" + (HEAD + "\n".join(BODY)).replace(",", ";"),
        "Sales report 2023,,\n" + HEAD + "\n".join(BODY),
        "Sales report 2023\n\n" + HEAD + "\n".join(BODY),
        '"Sales, report\n2023"\n' + HEAD + "\n".join(BODY),
        "\n \n" + HEAD + "\n".join(BODY),
        HEAD + "\n\n".join(BODY) + "\n\n\n",
        HEAD + ",\n".join(BODY) + ",\n",
        HEAD + "\r\n".join(BODY[:2]) + ",,\n" + BODY[2],
        HEAD + "\n".join(BODY).replace("A", '"A"'),
        'customer_id,"date",amount\n' + "\n".join(BODY),
    ],
)
def test_the_same_lines_in_every_dialect(text: str, tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_bytes(text.encode())
    assert read(tmp_path / "o.csv") == SAME
    base = kw.customers(kw.orders(tmp_path / "o.csv"))
    found = base.to_arrow().select(["customer_id", "orders", "revenue"]).to_pylist()
    assert [tuple(row.values()) for row in found] == [("A", 2, Decimal(40)), ("B", 1, Decimal(20))]


def test_lines_above_the_column_names_are_told(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("Sales report 2023,,\n" + HEAD + "\n".join(BODY))
    assert kw.orders(tmp_path / "o.csv").told.endswith("o.csv (below the line 'Sales report 2023,,')")
    (tmp_path / "o.csv").write_text("sep=,\n" + HEAD + "\n".join(BODY))
    assert kw.orders(tmp_path / "o.csv").told.endswith("o.csv")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["\n", "\r\n"])
def test_cells_with_breaks_quotes_and_separators(end: str, last: str, tmp_path: Path) -> None:
    text = f'customer_id,"the\nnote",amount{end}a,"two{end}lines, ""quoted""",1{end}b,5" pot,2{last}'
    (tmp_path / "o.csv").write_bytes(text.encode())
    assert read(tmp_path / "o.csv") == [("a", f'two{end}lines, "quoted"', "1"), ("b", '5" pot', "2")]


def test_quotes_behind_backslashes(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text(HEAD + 'A,"he said \\"hi\\", twice",10\nB,pot,20\n')
    assert read(tmp_path / "o.csv") == [("A", 'he said "hi", twice', "10"), ("B", "pot", "20")]
    (tmp_path / "o.csv").write_text(HEAD + 'A,"C:\\new",10\nB,pot\\,20\n')
    assert read(tmp_path / "o.csv") == [("A", "C:\\new", "10"), ("B", "pot\\", "20")]


@pytest.mark.parametrize("packed", ["gz", "zst", "bz2", "xz"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_packed_files(packed: str, encoding: str, tmp_path: Path) -> None:
    text = (HEAD + "José,2024-01-05,1\nZoë,2024-01-06,2\n").encode(encoding)
    codec = {"gz": "gzip", "zst": "zstd"}.get(packed)
    packs = {"bz2": bz2.compress, "xz": lzma.compress}
    path = tmp_path / f"o.csv.{packed}"
    path.write_bytes(bytes(pa.compress(text, codec, asbytes=True)) if codec else packs[packed](text))
    assert [row[0] for row in read(path, encoding)] == ["José", "Zoë"]


def test_every_line_of_a_large_file_with_mixed_ends_counts(tmp_path: Path) -> None:
    lines = [f"c{n},2024-01-{n % 28 + 1:02d},{n}" for n in range(50_000)]
    text = HEAD + "".join(line + ("\r\n" if n % 7 else "\n") for n, line in enumerate(lines))
    (tmp_path / "o.csv").write_bytes(text.encode())
    assert read(tmp_path / "o.csv") == [tuple(line.split(",")) for line in lines]


def test_the_number_of_a_bad_line_is_that_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_bytes(b"Title\r\n" + HEAD.encode() + b'A,"x\ny",1\r\n\nB,2\n')
    with pytest.raises(kw.BadOrders, match=r"line 6 has 2 columns, but line 2 names 3 \('B,2'\)"):
        read(tmp_path / "o.csv")


def test_many_columns_are_named_in_linear_time(tmp_path: Path) -> None:
    names = [f"c{n}" for n in range(3000)]
    text = ",".join(["customer_id", "date", *names]) + "\n" + "1,2024-01-05" + ",x" * 3000 + "\n"
    (tmp_path / "o.csv").write_text(text)
    assert kw.orders(tmp_path / "o.csv").profile["first_day"] == dt.date(2024, 1, 5)

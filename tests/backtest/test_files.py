"""Tables in files: read as they are meant, refused with the file's name."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from headrace.backtest import files
from headrace.backtest.asked import AT, asked
from headrace.errors import ConfigError


def test_ids_that_look_like_numbers_stay_as_they_are(tmp_path):
    file = tmp_path / "asked.csv"
    file.write_text("id,n,timestamp\n007,1,2026-03-01T08:00:00Z\n12,2,2026-03-01T08:00:01Z\n")
    found = files.read(file, ["id"])
    assert found["id"].to_list() == ["007", "12"]
    assert found["n"].to_list() == [1, 2]
    moments = asked(found, ["id"], "timestamp")[AT].to_list()
    first = int(datetime(2026, 3, 1, 8, tzinfo=UTC).timestamp() * 1000)
    assert moments == [first, first + 1000]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_is_written_is_read_again(tmp_path, suffix):
    table = pl.DataFrame({"id": ["a", "b"], "n": [1, None]})
    file = tmp_path / f"table{suffix}"
    files.write(table, file)
    assert files.read(file).equals(table)


def test_other_files_are_refused(tmp_path):
    for act in (files.read, lambda path: files.write(pl.DataFrame(), path)):
        with pytest.raises(ConfigError, match=r"table\.xlsx': name it \.parquet or \.csv"):
            act(tmp_path / "table.xlsx")
    with pytest.raises(ConfigError, match=r"none\.parquet"):
        files.read(tmp_path / "none.parquet")
    with pytest.raises(ConfigError, match=r"list\.csv"):
        files.write(pl.DataFrame({"list": [[1]]}), tmp_path / "list.csv")

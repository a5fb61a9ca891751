"""In which of a thousand recordings do people look happiest? One query over all timelines.

    pip install duckdb
    python examples/happiest_recordings.py results/timelines

Nothing is loaded as a whole: DuckDB reads the two columns that it needs. pandas and Polars read
the folder, too: ``pandas.read_parquet("results/timelines/")``, ``polars.scan_parquet(...)``.
"""

import sys

import duckdb

QUERY = """
select recording, count(track) as faces, round(avg(p_happy), 3) as happy
from read_parquet($files)
group by recording
having faces > 0
order by happy desc, recording
limit 5
"""

found = duckdb.execute(QUERY, {"files": f"{sys.argv[1]}/**/*.parquet"})
for recording, faces, happy in found.fetchall():
    print(f"{happy:.3f}  {recording}, {faces} rows with a face")

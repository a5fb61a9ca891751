"""How long did each person show each emotion? Seconds per track and emotion.

python examples/seconds_per_emotion.py timeline.parquet
"""

import sys

from fer_video import read_timeline

table = read_timeline(sys.argv[1])

# a row counts until the next sampled frame: right at variable frame rates, too
moments = table["time_s"].drop_duplicates()
shown_s = moments.diff().shift(-1).fillna(0).set_axis(moments)
table["seconds"] = table["time_s"].map(shown_s)

faces = table.dropna(subset=["track"])
print(faces.pivot_table("seconds", "track", "emotion", aggfunc="sum", fill_value=0).round(2))

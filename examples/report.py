# SPDX-License-Identifier: Apache-2.0
"""A report with a table and a picture, made by pandas and matplotlib in a session, and saved here.

    python3 examples/report.py [folder]

The session is seeded and its clock stands still: the same report comes out today and next year."""

import base64
import json
import os
import sys
import urllib.request

URL = os.environ.get("VIVARIUM_URL", "http://127.0.0.1:7717")
KEY = os.environ.get("VIVARIUM_API_KEY")
REPORT = """
import datetime
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

days = pd.date_range(end=datetime.date.today(), periods=90)
visits = pd.Series(np.random.poisson(200, 90) + np.arange(90), index=days, name="visits")
weekly = visits.resample("W").agg(["sum", "mean", "max"]).round(1).tail(4)

fig, axes = plt.subplots(figsize=(8, 4), dpi=100)
axes.plot(visits.index, visits, lw=1, label="a day")
axes.plot(visits.index, visits.rolling(7).mean(), lw=2, label="mean of seven")
axes.set_title(f"Visits until {days[-1]:%d %B %Y}")
axes.legend()
plt.show()
weekly.to_string()
"""


def evaluate(source, **more):
    """One evaluation, in a session that ends with it."""
    headers = {"content-type": "application/json"}
    if KEY:
        headers["authorization"] = f"Bearer {KEY}"
    message = {"source": source, "resultFormat": "RESULT_FORMAT_JSON", **more}
    request = urllib.request.Request(f"{URL}/vivarium.v1.ExecutionService/Eval", json.dumps(message).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        verdict = json.load(answer)["verdict"]
    if "error" in verdict:
        sys.exit(verdict["error"]["traceback"])
    return verdict


def main(folder):
    verdict = evaluate(REPORT, environment="data",
                       determinism={"seed": "2024", "clock": "2024-03-31T12:00:00Z"})
    picture = next(base64.b64decode(part["data"]) for display in verdict["displays"]
                   for part in display["parts"] if part["type"] == "image/png")
    with open(os.path.join(folder, "visits.png"), "wb") as file:
        file.write(picture)
    with open(os.path.join(folder, "report.md"), "w", encoding="utf-8") as file:
        file.write(f"# Visits\n\n![the last ninety days](visits.png)\n\n```\n{verdict['result']['json']}\n```\n")
    print(f"wrote report.md and visits.png ({len(picture)} bytes) to {os.path.abspath(folder)}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ".")

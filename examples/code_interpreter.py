# SPDX-License-Identifier: Apache-2.0
"""The loop of an assistant that solves a task by writing code: it gets the task, writes code, sees what came
of it, corrects what was wrong, and says what it has found. Here the model is a script of answers, so that
the example runs anywhere; put a real one in its place.

    python3 examples/code_interpreter.py [folder for pictures]

It needs nothing but a daemon (VIVARIUM_URL, else http://127.0.0.1:7717) whose environment `data` can run."""

import base64
import json
import os
import re
import sys
import urllib.request

URL = os.environ.get("VIVARIUM_URL", "http://127.0.0.1:7717")
KEY = os.environ.get("VIVARIUM_API_KEY")
ORDERS = """day,product,pieces,price
mon,tea,3,4.50
mon,mug,1,12.00
tue,tea,5,4.50
wed,pot,1,31.00
wed,mug,2,12.00
"""
TASK = "orders.csv is in the working directory. Which product brought in the most? Draw it, too."
# What a model would answer, one answer after the other. The first takes a column for another, as models do.
SCRIPT = [
    """Let me look at the turnover by product.
```python
import pandas as pd
orders = pd.read_csv("orders.csv")
turnover = (orders.pieces * orders.unit_price).groupby(orders["product"]).sum()
```""",
    """The column is called price.
```python
turnover = (orders.pieces * orders.price).groupby(orders["product"]).sum().sort_values()
print(turnover.to_string())
turnover.idxmax()
```""",
    """Now the picture.
```python
import matplotlib.pyplot as plt
turnover.plot.barh(title="Turnover by product")
plt.tight_layout()
plt.show()
```""",
    "Mugs and tea brought in 36.00 each, more than the pot with its 31.00.",
]


def call(method, message):
    """Calls the daemon; every method is a POST of JSON."""
    headers = {"content-type": "application/json"}
    if KEY:
        headers["authorization"] = f"Bearer {KEY}"
    request = urllib.request.Request(f"{URL}/vivarium.v1.{method}", json.dumps(message).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def scripted_model():
    """A model: it is sent what has happened and gives its answer."""
    answers = iter(SCRIPT)
    return lambda conversation: next(answers)


def run(session, code):
    """Runs a cell and returns what a model should see of it, and the pictures for people."""
    verdict = call("ExecutionService/Eval", {"session": session, "source": code, "timeoutMs": 30_000,
                                             "resultFormat": "RESULT_FORMAT_REPR"})["verdict"]
    seen = verdict.get("stdout", "")
    if "error" in verdict:
        # CPython's own text, of the model's code alone: what it needs to see what is wrong.
        seen += verdict["error"]["traceback"]
    elif "repr" in verdict.get("result", {}):
        seen += verdict["result"]["repr"]
    pictures = [base64.b64decode(part["data"]) for display in verdict.get("displays", ())
                for part in display["parts"] if part["type"] == "image/png"]
    return seen + "".join(f"\n[picture of {len(one)} bytes]" for one in pictures), pictures


def main(folder):
    model, conversation = scripted_model(), [("user", TASK)]
    session = call("SessionService/CreateSession", {"environment": "data"})["session"]["id"]
    try:
        # The user's file, where the code finds it.
        call("ExecutionService/Eval", {"session": session, "source": "open('orders.csv', 'w').write(text)",
                                       "jsonVariables": {"text": ORDERS}})
        for _ in range(10):  # A model that never comes to an end shall not keep us here.
            answer = model(conversation)
            conversation.append(("assistant", answer))
            print(f"assistant: {answer}\n")
            code = re.search(r"```python\n(.*?)```", answer, re.DOTALL)
            if not code:
                break
            seen, pictures = run(session, code[1])
            for number, picture in enumerate(pictures):
                path = os.path.join(folder, f"picture-{len(conversation)}-{number}.png")
                with open(path, "wb") as file:
                    file.write(picture)
                print(f"saved {path}")
            conversation.append(("tool", seen))
            print(f"tool: {seen}\n")
    finally:
        call("SessionService/CloseSession", {"session": session})


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ".")

"""Registers a user with the basic profile, with a plain JWT library and a plain HTTP library."""
import json
import os
import sys
import time
from pathlib import Path

import jwt  # PyJWT
import requests

url, api_key = os.environ.get("COUNTERSIGN_URL"), os.environ.get("COUNTERSIGN_BASIC_KEY")
if bool(url) != bool(api_key):
    sys.exit("set COUNTERSIGN_URL and COUNTERSIGN_BASIC_KEY, or neither")
if not url:  # the platform that `npm start` runs
    local = json.loads((Path(__file__).resolve().parents[2] / ".countersign/local.json").read_text())
    url = local["regions"][0]["url"]
    api_key = next(c["api_key"] for c in local["clients"] if c["profile"] == "basic")
if not api_key.startswith("csb_"):  # a strict key never travels
    sys.exit("COUNTERSIGN_BASIC_KEY must be the key of a basic client: it begins with csb_")
client_id = api_key.split("_")[1]
user = {"user_id": sys.argv[1] if len(sys.argv) > 1 else "grace", "email": "grace@example.com"}

answer = requests.get(f"{url}/v1/nonce", headers={"Authorization": f"Bearer {api_key}"}, timeout=10)
if answer.status_code != 200:
    sys.exit(f"no nonce: {answer.status_code} {answer.text}")
nonce = answer.json()["nonce"]
for _ in range(2):
    proof = jwt.encode({"iss": client_id, "nonce": nonce, "exp": int(time.time()) + 60}, api_key, "HS256")
    answer = requests.post(f"{url}/v1/register", json=user, headers={"Authorization": f"JWT {proof}"}, timeout=10)
    if answer.json().get("code") != "use_nonce" or "Replay-Nonce" not in answer.headers:
        break
    nonce = answer.headers["Replay-Nonce"]  # the refusal brings another: once more with that
print(answer.status_code, json.dumps(answer.json()))
sys.exit(0 if answer.status_code == 201 else 1)

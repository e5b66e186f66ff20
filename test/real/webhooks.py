"""Reads one request as JSON, and prints it signed and verified by PyPI's standardwebhooks."""
import json
import sys
from datetime import datetime, timezone

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

asked = json.load(sys.stdin)
webhook = Webhook(asked["secret"])
if asked["do"] == "verify":
    try:
        print(json.dumps({"event": webhook.verify(asked["body"], asked["headers"])}))
    except WebhookVerificationError as error:
        print(json.dumps({"refused": str(error)}))
else:
    now = datetime.now(tz=timezone.utc)
    signature = webhook.sign(msg_id=asked["id"], timestamp=now, data=asked["body"])
    print(json.dumps({"timestamp": str(int(now.timestamp())), "signature": signature}))

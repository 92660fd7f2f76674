"""urllib: a GET, with the checks of certificates that Python 3.13 makes by default."""

import os
import ssl
import urllib.request

context = ssl.create_default_context()
context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
request = urllib.request.Request(
    "https://api.openai.com/v1/models",
    headers={"Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"},
)
with urllib.request.urlopen(request, context=context) as answer:
    print(answer.read().decode())

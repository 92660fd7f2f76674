"""Google's clients without gRPC: google-auth's session of requests, or google-api-python-client, which has httplib2: as it comes, or with
PySocks, by which it knows of proxies."""

import os
import sys

if sys.argv[1] == "plain":
    # As if it were not installed.
    sys.modules["socks"] = None

from google.auth.transport.requests import AuthorizedSession
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build

credentials = Credentials(token=os.environ["GOOGLE_ACCESS_TOKEN"])
if sys.argv[1] == "session":
    print(AuthorizedSession(credentials).get("https://www.googleapis.com/drive/v3/files").text)
else:
    print(build("drive", "v3", credentials=credentials).files().list().execute())

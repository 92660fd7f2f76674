"""Who signed the certificate that a host shows through the proxy: prints `issuer NAME`, then the answer to a GET."""

import http.client
import os
import ssl
import sys
import urllib.parse

proxy = urllib.parse.urlsplit(os.environ["HTTPS_PROXY"])
connection = http.client.HTTPSConnection(proxy.hostname, proxy.port, context=ssl.create_default_context())
connection.set_tunnel(sys.argv[1], 443)
connection.request("GET", "/")
issuer = dict(field for (field,) in connection.sock.getpeercert()["issuer"])
print("issuer", issuer["commonName"])
print(connection.getresponse().read().decode())

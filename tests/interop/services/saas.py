"""Services of whose API one call is played each: enough for a client to be content."""

from services.ticks import ANSWER


def stripe(connection, request, path, _body):
    if path != "/v1/customers":
        return None
    customer = {"id": "cus_interop", "object": "customer", "name": ANSWER}
    return connection.json(request, {"object": "list", "url": path, "has_more": False, "data": [customer]})


def slack(connection, request, path, _body):
    if path != "/api/auth.test":
        return None
    return connection.json(request, {"ok": True, "user": ANSWER, "team": "interop"})


def asana(connection, request, path, _body):
    if path != "/api/1.0/users/me":
        return None
    return connection.json(request, {"data": {"gid": "1", "resource_type": "user", "name": ANSWER}})

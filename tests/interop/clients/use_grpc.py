"""Asks a gRPC server for its health: use_grpc.py HOST. With CERTIFICATE and KEY it is such a server instead, and prints its port."""

import concurrent.futures
import sys

import grpc

METHOD = "/grpc.health.v1.Health/Check"
SERVING = b"\x08\x01"


class Health(grpc.GenericRpcHandler):
    """Answers each call alike, and prints what its credential was."""

    def service(self, details):
        fields = dict(details.invocation_metadata)
        print(details.method, fields.get("authorization"), flush=True)
        return grpc.unary_unary_rpc_method_handler(lambda request, context: SERVING)


def serve(certificate, key):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((Health(),))
    with open(certificate, "rb") as one, open(key, "rb") as other:
        credentials = grpc.ssl_server_credentials([(other.read(), one.read())])
    print(server.add_secure_port("127.0.0.1:0", credentials), flush=True)
    server.start()
    server.wait_for_termination()


def ask(host):
    channel = grpc.secure_channel(f"{host}:443", grpc.ssl_channel_credentials())
    try:
        answer = channel.unary_unary(METHOD)(b"", timeout=20, metadata=[("authorization", "Bearer of-the-program")])
        print("SERVING" if answer == SERVING else answer)
    except grpc.RpcError as error:
        print(error.code().value[0], error.details())


serve(*sys.argv[1:]) if len(sys.argv) > 2 else ask(sys.argv[1])

"""A hooks plugin in Python, built from the contracts alone: writes one line for each event to a file.

    hooks_python.py FILE

It shows all that a plugin must do: serve the contract and the standard health service on BOI_PLUGIN_SOCKET, print BOI_READY
once that is done, acknowledge what is safely written, and end on TERM or when standard input ends.
"""

import os
import signal
import sys
import threading
from concurrent import futures
from pathlib import Path

sys.path.insert(0, os.environ.get("HOOKS_PYTHON_BUILD", str(Path(__file__).parent / "build")))

import grpc  # noqa: E402
import health_pb2  # noqa: E402
import health_pb2_grpc  # noqa: E402
from boi.hooks.v1 import hooks_pb2, hooks_pb2_grpc  # noqa: E402

class Hooks(hooks_pb2_grpc.HooksServiceServicer):
    def __init__(self, file):
        self.file = file

    def Handshake(self, request, context):
        return hooks_pb2.HandshakeResponse(
            major=1,
            minor=0,
            name="hooks-python",
            version="0.1.0",
            tier=hooks_pb2.DELIVERY_TIER_AUDIT,
            # No kinds: all of them.
        )

    def Deliver(self, requests, context):
        for request in requests:
            if not request.HasField("event"):
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "event is missing")
            event = request.event
            self.write(event)
            yield hooks_pb2.DeliverResponse(acknowledged_sequence=event.sequence)

    def write(self, event):
        # A node of a later version may send a kind that these contracts do not have: then its number must do.
        known = hooks_pb2.EventKind.DESCRIPTOR.values_by_number.get(event.kind)
        kind = known.name.removeprefix("EVENT_KIND_").lower() if known else str(event.kind)
        subject = event.payload.task or event.payload.node
        self.file.write(f"{event.sequence} {event.id} {kind} {subject}\n")
        self.file.flush()
        # Acknowledged is what would survive a power cut, and nothing less.
        os.fdatasync(self.file.fileno())


class Health(health_pb2_grpc.HealthServicer):
    def Check(self, request, context):
        if request.service not in ("", "boi.hooks.v1.HooksService"):
            context.abort(grpc.StatusCode.NOT_FOUND, f"no service {request.service} here")
        return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)


def main():
    if len(sys.argv) != 2 or "BOI_PLUGIN_SOCKET" not in os.environ:
        sys.exit("hooks_python.py FILE is a plugin: name it in the configuration of a node, which starts it")
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    # Standard input ends with the node.
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    with open(sys.argv[1], "a", encoding="utf-8") as file:
        server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
        hooks_pb2_grpc.add_HooksServiceServicer_to_server(Hooks(file), server)
        health_pb2_grpc.add_HealthServicer_to_server(Health(), server)
        server.add_insecure_port(f"unix:{os.environ['BOI_PLUGIN_SOCKET']}")
        server.start()
        print("BOI_READY", flush=True)
        ended.wait()
        server.stop(grace=3).wait()


if __name__ == "__main__":
    main()
    # Whatever thread still reads standard input is nobody's concern.
    sys.stderr.flush()
    os._exit(0)

"""A network between a worker and PostgreSQL that loses a COMMIT, or its answer, with the connection."""
import contextlib
import socket
import threading
import urllib.parse


class Proxy:
    """Passes connections on to the server of a URL. `lose` names what becomes of the next commits of units of work, one
    for each: "request" (it never arrives) or "answer" (it happened, and the client is not told)."""

    def __init__(self, url):
        self.parts = urllib.parse.urlsplit(url)
        self.plan = []
        self.lost = 0  # commits that the plan struck
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        user = self.parts.netloc.rpartition("@")[0]
        return self.parts._replace(netloc=f"{user}@127.0.0.1:{self.listener.getsockname()[1]}").geturl()

    def lose(self, *what):
        with self.lock:
            self.plan += what

    def close(self):
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection((self.parts.hostname, self.parts.port))
                connection = Connection(client, server)
                for pump in self._requests, self._answers:
                    threading.Thread(target=pump, args=[connection], daemon=True).start()

    def _next_loss(self, data):
        """What to do to this request. The removal of published outbox rows is no unit of work."""
        if b"; COMMIT\0" not in data or b"DELETE FROM pipeline.outbox" in data:
            return None
        with self.lock:
            if not self.plan:
                return None
            self.lost += 1
            return self.plan.pop(0)

    def _requests(self, connection):
        with connection:
            while data := connection.client.recv(1 << 20):
                loss = self._next_loss(data)
                if loss == "request":
                    return
                connection.deaf = loss == "answer"
                connection.server.sendall(data)

    def _answers(self, connection):
        with connection:
            while data := connection.server.recv(1 << 20):
                if connection.deaf:
                    return
                connection.client.sendall(data)


class Connection:
    """Both ends; once a pump leaves, both are cut."""

    def __init__(self, client, server):
        self.client, self.server, self.deaf = client, server, False

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for end in self.client, self.server:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        return kind is not None and issubclass(kind, OSError)

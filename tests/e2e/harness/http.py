"""HTTP and server-sent events."""
import contextlib
import http.client
import json
import queue
import socket
import threading


class Answer:
    """An HTTP answer, read to its end."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode(errors="replace")

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.text[:300]}>"


class Http:
    """A client of one address; a connection for each request, so any thread may use it."""

    def __init__(self, address, token=None, timeout=30):
        self.address = address
        self.token = token
        self.timeout = timeout

    def request(self, method, path, body=None, headers=None):
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        all_headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if body is not None:
            all_headers["Content-Type"] = "application/json"
        all_headers.update(headers or {})
        connection = http.client.HTTPConnection(self.address, timeout=self.timeout)
        try:
            connection.request(method, path, body, {key: value for key, value in all_headers.items() if value is not None})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get(self, path, headers=None):
        return self.request("GET", path, None, headers)

    def post(self, path, body, headers=None):
        return self.request("POST", path, body, headers)

    def stream(self, path, headers=None, timeout=20):
        return EventStream(self, path, headers, timeout)


class Event:
    """A server-sent event."""

    def __init__(self, name, data, id):
        self.name, self.data, self.id = name, data, id

    @property
    def json(self):
        return json.loads(self.data)

    def __repr__(self):
        return f"<{self.id} {self.name} {self.data[:200]}>"


class EventStream:
    """A stream of server-sent events, read by a thread of its own. Use it in a with statement."""

    END = object()

    def __init__(self, client, path, headers=None, timeout=20):
        self.timeout = timeout
        self.comments = 0
        self.last_id = ""
        self.events = queue.Queue()
        self.connection = http.client.HTTPConnection(client.address, timeout=timeout)
        all_headers = {"Accept": "text/event-stream", **(headers or {})}
        if client.token:
            all_headers.setdefault("Authorization", f"Bearer {client.token}")
        self.connection.request("GET", path, headers=all_headers)
        self.socket = self.connection.sock  # getresponse() gives it away when the server closes afterwards
        response = self.connection.getresponse()
        self.status, self.headers = response.status, response.headers
        if self.status != 200:
            self.refusal = Answer(self.status, self.headers, response.read())
            self.close()
            self.events.put(self.END)
            return
        self.response = response
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        name, data, last_id = "message", [], ""
        try:
            while line := self.response.readline():
                line = line.decode().rstrip("\r\n")
                if not line:
                    self.last_id = last_id
                    if data:
                        self.events.put(Event(name, "\n".join(data), last_id))
                    name, data = "message", []
                    continue
                field, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if not field:
                    self.comments += 1
                elif field == "event":
                    name = value
                elif field == "data":
                    data.append(value)
                elif field == "id":
                    last_id = value
        except (OSError, ValueError, http.client.HTTPException, AttributeError):
            pass
        self.events.put(self.END)

    def next(self, timeout=None):
        """The next event; None once the stream has ended."""
        try:
            event = self.events.get(timeout=timeout or self.timeout)
        except queue.Empty:
            raise AssertionError(f"no event came within {timeout or self.timeout} s") from None
        if event is self.END:
            self.events.put(self.END)
            return None
        return event

    def until(self, name, timeout=None):
        """The events up to the first of that name, it included."""
        events = []
        while not events or events[-1].name != name:
            event = self.next(timeout)
            if event is None:
                raise AssertionError(f"the stream ended before {name!r}; it had {events}")
            events.append(event)
        return events

    def nothing(self, seconds=0.5):
        """Whether no event comes for a while."""
        try:
            return self.events.get(timeout=seconds) is self.END
        except queue.Empty:
            return True

    def close(self):
        with contextlib.suppress(OSError):
            if self.socket:
                self.socket.shutdown(socket.SHUT_RDWR)
        self.connection.close()
        if thread := getattr(self, "thread", None):
            thread.join(5)
            self.response.close()
        if self.socket:
            self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

"""A model in front of another one that writes down what it is asked."""
import http.client
import http.server
import threading
import urllib.parse


class Recorder:
    """Passes each request on to a model and keeps the bodies, in the order in which they came. A context manager."""

    def __init__(self, model):
        self.bodies = []
        to, lock, bodies = urllib.parse.urlsplit(model), threading.Lock(), self.bodies

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with lock:
                    bodies.append(body.decode())
                onward = http.client.HTTPConnection(to.netloc, timeout=60)
                onward.request("POST", self.path, body, {"Content-Type": "application/json"})
                answer = onward.getresponse()
                text = answer.read()
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
                onward.close()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 1024
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}{to.path}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

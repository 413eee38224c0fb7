# SPDX-License-Identifier: Apache-2.0
"""Real servers on loopback, for sessions to connect to. Each is a context that leaves nothing behind."""

import glob
import http.server
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading

from . import waiting

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))


def free_port():
    """Returns a port of loopback that nobody has at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def answers(port):
    """Whether something accepts connections."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def make_certificate(name, key, cert):
    """Writes a key and a certificate for a name, signed by itself."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout",
         key, "-out", cert], check=True, capture_output=True)


class Echo:
    """Sends back what it gets, and counts who came."""

    def __init__(self, address="127.0.0.1"):
        """Listens."""
        self.accepted = 0
        self.open = 0
        self.lock = threading.Lock()
        self.listener = socket.create_server((address, 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        """Accepts until the listener is closed."""
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.accepted += 1
                self.open += 1
            threading.Thread(target=self.serve, args=(one,), daemon=True).start()

    def serve(self, one):
        """One connection, until its end."""
        with one:
            try:
                while data := one.recv(1 << 16):
                    one.sendall(data)
            except OSError:
                pass
        with self.lock:
            self.open -= 1

    def close(self):
        """Ends listening."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(waiting.WATCHDOG)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Silent:
    """A port where connections are never established: its queue is full."""

    def __init__(self):
        """Fills the queue."""
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port = self.listener.getsockname()[1]
        self.fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self.fillers.append(filler)

    def close(self):
        """Ends all of it."""
        for one in (*self.fillers, self.listener):
            one.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        """Says what was asked for, and by whom; /away sends elsewhere."""
        if self.path.startswith("/away"):
            self.send_response(302)
            self.send_header("Location", self.server.elsewhere)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = f"{self.command} {self.path} {self.headers['Host']}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        """Sends back the body."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing."""


class Web:
    """An HTTP server; with TLS for the name that is given."""

    def __init__(self, tls_name=None):
        """Listens and serves in a thread."""
        self.folder = tempfile.mkdtemp(prefix="vivarium-web-")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.daemon_threads = True
        self.server.elsewhere = ""
        self.port = self.server.server_address[1]
        self.certificate = None
        if tls_name:
            key, cert = f"{self.folder}/key.pem", f"{self.folder}/cert.pem"
            make_certificate(tls_name, key, cert)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert, key)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
            with open(cert, encoding="ascii") as file:
                self.certificate = file.read()
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        """Stops serving."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(waiting.WATCHDOG)
        shutil.rmtree(self.folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _ordinary_user():
    """PostgreSQL does not run as root: returns the user to run as, or None to stay."""
    if os.geteuid() != 0:
        return None
    return pwd.getpwnam("postgres")


class Postgres:
    """A PostgreSQL with a data directory of its own, open to user postgres without a password, or with
    the one that is given, by SCRAM and with TLS for the name db.test."""

    def __init__(self, password=None):
        """Makes the data directory and waits until it serves."""
        [self.programs] = glob.glob("/usr/lib/postgresql/*/bin")[-1:]
        self.folder = tempfile.mkdtemp(prefix="vivarium-pg-")
        self.user = _ordinary_user()
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        self.data = f"{self.folder}/data"
        self.certificate = None
        self.password = password
        more = []
        login = ["-A", "trust"]
        if password:
            secret = f"{self.folder}/password"
            with open(secret, "w", encoding="utf-8") as file:
                file.write(password)
            os.chmod(secret, 0o644)
            login = ["-A", "scram-sha-256", f"--pwfile={secret}"]
            more = self.tls()
        self.run("initdb", "-D", self.data, *login, "-U", "postgres", "-N", "--locale=C", "-E", "UTF8")
        self.port = free_port()
        self.log = open(f"{self.folder}/log", "wb")
        self.settings = more
        self.start()

    def start(self):
        """Starts it, again after `stop`, and waits until it serves."""
        self.process = subprocess.Popen(
            self.command("postgres", "-D", self.data, "-F", "-c", "listen_addresses=127.0.0.1", "-c",
                         f"port={self.port}", "-c", "unix_socket_directories=", "-c",
                         "shared_buffers=1MB", *self.settings),
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd=self.folder)
        try:
            waiting.wait_for(lambda: self.process.poll() is not None or answers(self.port),
                             "PostgreSQL")
            if self.process.poll() is not None:
                raise AssertionError(open(f"{self.folder}/log", encoding="utf-8").read())
        except BaseException:
            self.close()
            raise

    def tls(self):
        """Makes a certificate and returns the settings that use it."""
        key, cert = f"{self.folder}/key.pem", f"{self.folder}/cert.pem"
        make_certificate("db.test", key, cert)
        if self.user:
            os.chown(key, self.user.pw_uid, self.user.pw_gid)
        os.chmod(key, 0o600)
        with open(cert, encoding="ascii") as file:
            self.certificate = file.read()
        return ["-c", "ssl=on", "-c", f"ssl_key_file={key}", "-c", f"ssl_cert_file={cert}"]

    def url(self, options="", host="127.0.0.1", database="postgres", user="postgres"):
        """Returns the URL that a client is configured with."""
        secret = f":{self.password}" if self.password else ""
        return f"postgresql://{user}{secret}@{host}:{self.port}/{database}{options}"

    def command(self, program, *arguments):
        """Returns the words that start a program of PostgreSQL's."""
        words = [f"{self.programs}/{program}", *arguments]
        if not self.user:
            return words
        return ["setpriv", f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}",
                "--clear-groups", "--", *words]

    def run(self, program, *arguments):
        """Runs a program to its end."""
        subprocess.run(self.command(program, *arguments), check=True, capture_output=True,
                       cwd=self.folder)

    def stop(self):
        """Stops it at once; what it has is kept."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
        self.process.wait(waiting.WATCHDOG)

    def close(self):
        """Ends it."""
        self.stop()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class _FromNpm:
    """A server from npm, on a free port, with a folder of its own."""

    NAME = ""

    def arguments(self):
        """What it is started with."""
        raise NotImplementedError

    def __init__(self):
        """Starts it."""
        tools = f"{ROOT}/scripts/npm-tools"
        program, node = (subprocess.run([tools, name], check=True, capture_output=True,
                                        text=True).stdout.split()[-1]
                         for name in (self.NAME, "node"))
        self.folder = tempfile.mkdtemp(prefix="vivarium-npm-")
        self.port = free_port()
        self.words = [node, program, *self.arguments()]
        self.start()

    def start(self):
        """Starts it, again after `stop`."""
        self.process = subprocess.Popen(
            self.words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, cwd=self.folder)
        try:
            waiting.wait_for(lambda: self.process.poll() is not None or answers(self.port),
                             self.NAME)
            if self.process.poll() is not None:
                raise AssertionError(f"{self.NAME} ended with {self.process.returncode}")
        except BaseException:
            self.close()
            raise

    def stop(self):
        """Stops it; what it keeps in its folder is kept."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(waiting.WATCHDOG)

    def close(self):
        """Ends it."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class S3(_FromNpm):
    """s3rver, a stand-in for S3 that keeps objects in a directory."""

    NAME = "s3rver"
    KEY = "S3RVER"

    def arguments(self):
        """Path-style buckets only: others are names that nobody resolves."""
        return ["-d", self.folder, "-a", "127.0.0.1", "-p", str(self.port), "-s",
                "--no-vhost-buckets"]


class Dynamo(_FromNpm):
    """dynalite, a stand-in for DynamoDB in memory."""

    NAME = "dynalite"

    def arguments(self):
        """Tables are there at once."""
        return ["--host", "127.0.0.1", "--port", str(self.port), "--createTableMs", "0",
                "--deleteTableMs", "0"]

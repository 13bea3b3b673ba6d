"""What end-to-end tests stand on: processes, a broker, PostgreSQL, tenants, HTTP, server-sent events, kcat.

Binaries are taken from OMNIBUS_BIN, else from build/release/bin, else from build/dev/bin. What a test brings up lives
in the run folder OMNIBUS_RUN_DIR, else in a temporary one, and is gone when its Stack is closed. Standard library only.
"""
import os

from .database import Database
from .http import Answer, Event, EventStream, Http
from .kafka import Kafka, Record, as_bytes, conversation_id_of, structured_event
from .programs import ROOT, Process, Simulator, Worker, binary, free_port
from .stack import Stack
from .waiting import Ended, eventually

# Of a shell that sourced compose/.run/environment: a test gives its programs addresses of its own.
for name in ("KAFKA_BROKERS", "DATABASE_URL", "OPERATOR_DATABASE_URL", "REPLAY_DATABASE_URL", "LLM_BASE_URL"):
    os.environ.pop(name, None)

__all__ = ["ROOT", "Answer", "Database", "Ended", "Event", "EventStream", "Http", "Kafka", "Process", "Record", "Simulator",
           "Stack", "Worker", "as_bytes", "binary", "conversation_id_of", "eventually", "free_port", "structured_event"]

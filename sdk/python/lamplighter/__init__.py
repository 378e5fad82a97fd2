"""Client of a Lamplighter server.

Start with :class:`Client`: ``run`` gives the output of one job; ``submit``, ``wait`` and ``stream`` are its parts.
``lamplighter.generated`` is made from the server's OpenAPI document and holds every operation and type;
this package only adds what a document cannot say: waiting, streaming and trying again.
"""

from .client import Client
from .errors import ApiError, JobFailed, LamplighterError, StreamLost, WaitTimeout
from .events import Done, Event, Gap, Output, Progress, Reset, Status

__all__ = [
    "ApiError",
    "Client",
    "Done",
    "Event",
    "Gap",
    "JobFailed",
    "LamplighterError",
    "Output",
    "Progress",
    "Reset",
    "Status",
    "StreamLost",
    "WaitTimeout",
]

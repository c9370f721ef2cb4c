"""The calls of REST.

Written by `make reference` from the tables of REST. Do not change it by hand.
"""

from __future__ import annotations

from rillcast.client.api.account import Account
from rillcast.client.api.applications import Applications
from rillcast.client.api.backups import Backups
from rillcast.client.api.broadcasts import Broadcasts
from rillcast.client.api.cluster import Cluster
from rillcast.client.api.deleting_broadcasts import DeletingBroadcasts
from rillcast.client.api.document import Document
from rillcast.client.api.drains import Drains
from rillcast.client.api.figures_of_broadcasts import FiguresOfBroadcasts
from rillcast.client.api.license import License
from rillcast.client.api.meanings_of_settings import MeaningsOfSettings
from rillcast.client.api.media_of_broadcasts import MediaOfBroadcasts
from rillcast.client.api.product import Product
from rillcast.client.api.push_notifications import PushNotifications
from rillcast.client.api.recordings import Recordings
from rillcast.client.api.reports_of_players import ReportsOfPlayers
from rillcast.client.api.servers import Servers
from rillcast.client.api.sessions import Sessions
from rillcast.client.api.subscribers import Subscribers
from rillcast.client.api.subtracks import Subtracks
from rillcast.client.api.system import System
from rillcast.client.api.tokens import Tokens
from rillcast.client.api.traces import Traces
from rillcast.client.api.users import Users
from rillcast.client.asking import Asking


class Api:
    """Every call that REST answers, by what it is about."""

    def __init__(self, ask: Asking) -> None:
        self.product = Product(ask)
        """What this server is."""
        self.cluster = Cluster(ask)
        """The nodes of the cluster, its streams and viewers."""
        self.drains = Drains(ask)
        """Emptying a node: it takes nothing new, and what it has moves to other nodes until a deadline."""
        self.license = License(ask)
        """The cluster's license, in Ant Media's shape and in our own."""
        self.system = System(ask)
        """The instance that answers, and its machine. Streams and viewers are those of the whole cluster."""
        self.servers = Servers(ask)
        """The settings of the servers. `serverName` and `logLevel` can be changed, of all at once."""
        self.applications = Applications(ask)
        """The apps and their settings."""
        self.meanings_of_settings = MeaningsOfSettings(ask)
        """What the settings of apps mean."""
        self.figures_of_broadcasts = FiguresOfBroadcasts(ask)
        """Who watches broadcasts, and what they are sent."""
        self.media_of_broadcasts = MediaOfBroadcasts(ask)
        """What is done with the media of broadcasts. Of what isn't there the answers say so."""
        self.broadcasts = Broadcasts(ask)
        """Broadcasts: those that are live, and those for which something was set."""
        self.deleting_broadcasts = DeletingBroadcasts(ask)
        """Deleting broadcasts, one or many."""
        self.subtracks = Subtracks(ask)
        """Broadcasts that belong to another one, their main track."""
        self.backups = Backups(ask)
        """What the viewers of a broadcast are shown while nothing comes from its publisher."""
        self.recordings = Recordings(ask)
        """Recordings and uploaded files (VoD). There are none, since nothing is recorded or kept here."""
        self.push_notifications = PushNotifications(ask)
        """Notifications for phones. None is ever sent, and the answers say so."""
        self.users = Users(ask)
        """The operators' accounts. A session's cookie is `JSESSIONID`, and holds at every instance."""
        self.account = Account(ask)
        """One's own account."""
        self.tokens = Tokens(ask)
        """Tokens that let clients publish or play where the app asks for them."""
        self.subscribers = Subscribers(ask)
        """Subscribers of a stream, who show time-based codes or may be blocked."""
        self.reports_of_players = ReportsOfPlayers(ask)
        """What players tell of themselves. It is counted in metrics and written to the log, and nothing hangs on it."""
        self.sessions = Sessions(ask)
        """The last 10000 joins of the cluster, of the last seven days, and what became of them."""
        self.traces = Traces(ask)
        """What took how long, and where, across all nodes: of joins, moves, failovers, drains and the like."""
        self.document = Document(ask)
        """What describes this API."""

"""The network: a subnet for each sort of machine, and who may reach whom."""

from __future__ import annotations

from typing import Any

from scripts.clouds.azure.terms import Json, bracketed, identifier, own, reference, resource
from scripts.clouds.groups import ADMIN_PORT, HTTP_PORT, MEDIA_PORTS, NATS_PORT, NATS_SERVERS, RELAY_PORTS, ROUTE_PORT

ZONES = ["1", "2", "3"]
SUBNETS = {"gateway": 0, "media": 16, "inside": 32, "nats": 48}
"""Subnet → the third number of its addresses, a /20 each."""
NODES = ("media", "inside")
NAMES = "rillcast.internal"
NET = "Microsoft.Network/virtualNetworks"
WALL = "Microsoft.Network/networkSecurityGroups"
ADDRESS = "Microsoft.Network/publicIPAddresses"
ZONE = "Microsoft.Network/privateDnsZones"


def subnet(name: str) -> str:
    """An expression for the id of a subnet."""
    return identifier(f"{NET}/subnets", own("net"), f"'{name}'")


def addresses(name: str) -> str:
    """An expression for the addresses of a subnet."""
    return f"format('{{0}}.{SUBNETS[name]}.0/20', parameters('networkPrefix'))"


def nats_address(number: int) -> str:
    """An expression for the address of a NATS server. The first four of a subnet are Azure's."""
    return f"format('{{0}}.{SUBNETS['nats']}.{9 + number}', parameters('networkPrefix'))"


def network() -> list[Json]:
    """The virtual network, with the way out for machines that have no public address."""
    outbound = identifier("Microsoft.Network/natGateways", own("outbound"))
    subnets = [
        {
            "name": name,
            "properties": {
                "addressPrefix": bracketed(addresses(name)),
                "networkSecurityGroup": reference(WALL, own(name)),
                "serviceEndpoints": [{"service": "Microsoft.KeyVault"}],
                "defaultOutboundAccess": False,
                # Machines of media have addresses of their own, and the gateway may not have such a way.
                **({"natGateway": {"id": bracketed(outbound)}} if name in ("inside", "nats") else {}),
            },
        }
        for name in SUBNETS
    ]
    whole = {"addressPrefixes": [bracketed("format('{0}.0.0/16', parameters('networkPrefix'))")]}
    return [
        address("outbound"),
        resource(
            "Microsoft.Network/natGateways",
            own("outbound"),
            {"publicIpAddresses": [reference(ADDRESS, own("outbound"))], "idleTimeoutInMinutes": 10},
            sku={"name": "Standard"},
            after=[identifier(ADDRESS, own("outbound"))],
        ),
        *walls(),
        resource(
            NET,
            own("net"),
            {"addressSpace": whole, "subnets": subnets},
            after=[outbound, *(identifier(WALL, own(name)) for name in SUBNETS)],
        ),
        *names(),
    ]


def address(name: str) -> Json:
    """A public address that spans the zones."""
    properties = {"publicIPAllocationMethod": "Static", "publicIPAddressVersion": "IPv4"}
    return resource(ADDRESS, own(name), properties, sku={"name": "Standard"}, zones=ZONES)


def walls() -> list[Json]:
    """Who may reach whom. The last rule of each takes back what Azure allows inside of a network by itself."""
    of_nodes = [addresses(name) for name in NODES]
    to_nodes = [
        rule("admin", "Tcp", [ADMIN_PORT], of_nodes, "Other nodes look whether this one lives"),
        rule("relays", "Udp", [RELAY_PORTS], of_nodes, "Media between nodes"),
    ]
    opened = {
        "gateway": [
            rule("clients", "Tcp", [80, 443, 5443], "Internet", "Pages, WebSocket, WHIP, WHEP, REST"),
            rule("azure", "Tcp", [(65_200, 65_535)], "GatewayManager", "Azure looks after its gateway"),
            rule("probes", "*", ["*"], "AzureLoadBalancer", "Azure looks whether its gateway lives"),
        ],
        "media": [
            rule("media", "Udp", [MEDIA_PORTS], "Internet", "WebRTC media: ICE, DTLS, SRTP"),
            *to_nodes,
        ],
        "inside": [
            rule("gateway", "Tcp", [HTTP_PORT, ADMIN_PORT], [addresses("gateway")], "From the gateway to signaling"),
            *to_nodes,
        ],
        "nats": [
            rule("nodes", "Tcp", [NATS_PORT], of_nodes, "Nodes"),
            rule("routes", "Tcp", [ROUTE_PORT], [addresses("nats")], "The other servers"),
        ],
    }
    return [resource(WALL, own(name), {"securityRules": [*numbered(rules), rest()]}) for name, rules in opened.items()]


def rule(name: str, protocol: str, ports: list[Any], since: str | list[str], words: str) -> Json:
    """Ports that are open. `since`: a name of Azure's for addresses, or expressions for some."""
    written = [f"{one[0]}-{one[1]}" if isinstance(one, tuple) else str(one) for one in ports]
    whom: Json = (
        {"sourceAddressPrefix": since}
        if isinstance(since, str)
        else {"sourceAddressPrefixes": [bracketed(one) for one in since]}
    )
    return {
        "name": name,
        "properties": {
            "description": words,
            "direction": "Inbound",
            "access": "Allow",
            "protocol": protocol,
            **whom,
            "sourcePortRange": "*",
            "destinationAddressPrefix": "*",
            **({"destinationPortRange": written[0]} if len(written) == 1 else {"destinationPortRanges": written}),
        },
    }


def numbered(rules: list[Json]) -> list[Json]:
    """The order in which Azure looks at them."""
    return [
        {**one, "properties": {**one["properties"], "priority": 100 * number}} for number, one in enumerate(rules, 1)
    ]


def rest() -> Json:
    """Nothing else comes in."""
    return {
        "name": "rest",
        "properties": {
            "description": "Nothing else",
            "direction": "Inbound",
            "access": "Deny",
            "protocol": "*",
            "sourceAddressPrefix": "*",
            "sourcePortRange": "*",
            "destinationAddressPrefix": "*",
            "destinationPortRange": "*",
            "priority": 4_096,
        },
    }


def names() -> list[Json]:
    """The names of the NATS servers, inside of the network."""
    zone = identifier(ZONE, f"'{NAMES}'")
    link = {"virtualNetwork": reference(NET, own("net")), "registrationEnabled": False}
    return [
        resource(ZONE, f"'{NAMES}'", {}),
        resource(
            f"{ZONE}/virtualNetworkLinks",
            f"format('{NAMES}/{{0}}', {own('net')})",
            link,
            after=[zone, identifier(NET, own("net"))],
            location="global",
        ),
        *(
            resource(
                f"{ZONE}/A",
                f"'{NAMES}/{server}'",
                {"ttl": 60, "aRecords": [{"ipv4Address": bracketed(nats_address(number))}]},
                after=[zone],
            )
            for number, server in enumerate(NATS_SERVERS, 1)
        ),
    ]

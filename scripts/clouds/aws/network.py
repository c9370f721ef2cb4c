"""The network: three zones, each with a public subnet for what clients reach and a private one for the rest."""

from __future__ import annotations

from typing import Any

from scripts.clouds.aws.terms import Json, either, got, ref, resource, sub, tags, zone
from scripts.clouds.groups import ADMIN_PORT, HTTP_PORT, MEDIA_PORTS, NATS_PORT, RELAY_PORTS, ROUTE_PORT

ZONES = (1, 2, 3)
"""Three, so that NATS has a majority without any one of them."""
PUBLIC = [ref(f"Public{number}") for number in ZONES]
PRIVATE = [ref(f"Private{number}") for number in ZONES]
WORLD = "0.0.0.0/0"
NETWORK = sub("${NetworkPrefix}.0.0/16")


def network() -> Json:
    """The VPC with its routes."""
    found: Json = {
        "Network": resource(
            "EC2::VPC",
            {
                "CidrBlock": NETWORK,
                "EnableDnsSupport": True,
                "EnableDnsHostnames": True,
                "Tags": tags("network"),
            },
        ),
        "Internet": resource("EC2::InternetGateway", {"Tags": tags("internet")}),
        "InternetAttached": resource(
            "EC2::VPCGatewayAttachment", {"VpcId": ref("Network"), "InternetGatewayId": ref("Internet")}
        ),
        "PublicRoutes": resource("EC2::RouteTable", {"VpcId": ref("Network"), "Tags": tags("public")}),
        "PublicRoute": resource(
            "EC2::Route",
            {"RouteTableId": ref("PublicRoutes"), "DestinationCidrBlock": WORLD, "GatewayId": ref("Internet")},
            DependsOn="InternetAttached",
        ),
    }
    for number in ZONES:
        gateway, own = ref("Gateway1"), dict[str, Any]()
        if number > 1:
            gateway = either("HasGatewayPerZone", ref(f"Gateway{number}"), gateway)
            own = {"Condition": "HasGatewayPerZone"}
        for side, offset in (("Public", 0), ("Private", 3)):
            found[f"{side}{number}"] = resource(
                "EC2::Subnet",
                {
                    "VpcId": ref("Network"),
                    "AvailabilityZone": zone(number),
                    "CidrBlock": sub(f"${{NetworkPrefix}}.{16 * (number - 1 + offset)}.0/20"),
                    "Tags": tags(f"{side.lower()}-{number}"),
                },
            )
            routes = "PublicRoutes" if side == "Public" else f"PrivateRoutes{number}"
            found[f"{side}{number}Routes"] = resource(
                "EC2::SubnetRouteTableAssociation",
                {"SubnetId": ref(f"{side}{number}"), "RouteTableId": ref(routes)},
            )
        found |= {
            f"GatewayAddress{number}": resource(
                "EC2::EIP", {"Domain": "vpc", "Tags": tags(f"gateway-{number}")}, DependsOn="InternetAttached", **own
            ),
            f"Gateway{number}": resource(
                "EC2::NatGateway",
                {
                    "SubnetId": ref(f"Public{number}"),
                    "AllocationId": got(f"GatewayAddress{number}", "AllocationId"),
                    "Tags": tags(f"gateway-{number}"),
                },
                **own,
            ),
            f"PrivateRoutes{number}": resource(
                "EC2::RouteTable", {"VpcId": ref("Network"), "Tags": tags(f"private-{number}")}
            ),
            f"PrivateRoute{number}": resource(
                "EC2::Route",
                {
                    "RouteTableId": ref(f"PrivateRoutes{number}"),
                    "DestinationCidrBlock": WORLD,
                    "NatGatewayId": gateway,
                },
            ),
        }
    return found


def walls() -> Json:
    """Who may reach whom. Only the doors and the media ports are open to the world."""
    found: Json = {
        "DoorWall": wall(
            "the load balancer",
            [
                opened("tcp", 443, 443, "Pages, WebSocket, WHIP, WHEP, REST", cidr=WORLD),
                opened("tcp", 5443, 5443, "The same, at the number that Ant Media has", cidr=WORLD),
                opened("tcp", 80, 80, "Leads to 443", cidr=WORLD),
            ],
            skip={"CKV_AWS_260": "Port 80 only leads browsers to 443."},
        ),
        "NodeWall": wall("every node", []),
        "MediaWall": wall(
            "nodes that clients send media to",
            [opened("udp", *MEDIA_PORTS, "WebRTC media: ICE, DTLS, SRTP", cidr=WORLD)],
        ),
        "SignalingWall": wall("signaling", []),
        "NatsWall": wall("NATS", []),
    }
    found["NodeWall"]["Properties"]["SecurityGroupEgress"] = [
        opened("tcp", 443, 443, "Images, secrets, logs, webhooks", cidr=WORLD)
    ]
    found["MediaWall"]["Properties"]["SecurityGroupEgress"] = [
        opened("udp", 1, 65_535, "Media to clients, at the ports that they have", cidr=WORLD)
    ]
    found["SignalingWall"]["Properties"]["SecurityGroupEgress"] = [
        opened("tcp", 80, 80, "Webhooks without TLS", cidr=WORLD)
    ]
    found["NatsWall"]["Properties"]["SecurityGroupEgress"] = [
        opened("tcp", 443, 443, "Images, secrets, logs, the disk", cidr=WORLD)
    ]
    found["DoorWall"]["Properties"]["SecurityGroupEgress"] = [
        opened("tcp", port, port, "To signaling", cidr=NETWORK) for port in (HTTP_PORT, ADMIN_PORT)
    ]
    inside = {
        "DoorToSignaling": ("SignalingWall", "DoorWall", "tcp", HTTP_PORT, HTTP_PORT),
        "DoorToReadiness": ("SignalingWall", "DoorWall", "tcp", ADMIN_PORT, ADMIN_PORT),
        "NodeToAdmin": ("NodeWall", "NodeWall", "tcp", ADMIN_PORT, ADMIN_PORT),
        "NodeToRelay": ("NodeWall", "NodeWall", "udp", *RELAY_PORTS),
        "NodeToNats": ("NatsWall", "NodeWall", "tcp", NATS_PORT, NATS_PORT),
        "NatsToNats": ("NatsWall", "NatsWall", "tcp", ROUTE_PORT, ROUTE_PORT),
    }
    for name, (to, since, protocol, first, last) in inside.items():
        ports = {"IpProtocol": protocol, "FromPort": first, "ToPort": last}
        found[name] = resource(
            "EC2::SecurityGroupIngress",
            {
                "GroupId": got(to, "GroupId"),
                "SourceSecurityGroupId": got(since, "GroupId"),
                **ports,
                "Description": f"{since} to {to}",
            },
        )
        if since != "DoorWall":
            found[f"{name}Out"] = resource(
                "EC2::SecurityGroupEgress",
                {
                    "GroupId": got(since, "GroupId"),
                    "DestinationSecurityGroupId": got(to, "GroupId"),
                    **ports,
                    "Description": f"{since} to {to}",
                },
            )
    return found


def wall(whose: str, ingress: list[Json], skip: dict[str, str] | None = None) -> Json:
    """A security group."""
    properties: Json = {
        "GroupDescription": f"Rillcast: {whose}",
        "VpcId": ref("Network"),
        "Tags": tags("wall"),
    }
    if ingress:
        properties["SecurityGroupIngress"] = ingress
    return resource("EC2::SecurityGroup", properties, skip=skip)


def opened(protocol: str, first: int, last: int, words: str, *, cidr: str | Json) -> Json:
    """Ports that are open to a network."""
    return {"IpProtocol": protocol, "FromPort": first, "ToPort": last, "CidrIp": cidr, "Description": words}

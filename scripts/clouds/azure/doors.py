"""Where clients come in: the application gateway, its certificate, and names."""

from __future__ import annotations

from scripts.clouds.azure.keys import CERTIFICATE, identity, reads_certificate, secret_url
from scripts.clouds.azure.network import ADDRESS, ZONES, address, subnet
from scripts.clouds.azure.terms import Json, bracketed, identifier, own, parameter, reference, resource
from scripts.clouds.groups import ADMIN_PORT, HTTP_PORT

GATEWAY = "Microsoft.Network/applicationGateways"
PORTS = (443, 5443)
"""Ant Media's templates have viewers at 5443, publishers at 443; here both are at either."""
PLAIN = 80
WAIT_S = 3_600
HOSTS = (
    "[filter(createArray(parameters('domainName'), parameters('originDomainName'), parameters('edgeDomainName')),"
    " lambda('name', not(empty(lambdaVariables('name')))))]"
)


def part(sort: str, name: str) -> Json:
    """A part of the gateway that another part names."""
    return {"id": bracketed(identifier(f"{GATEWAY}/{sort}", own("gateway"), f"'{name}'"))}


def doors() -> list[Json]:
    """The gateway leads the cluster's names to signaling, with and without `target=`. Requests for other names find no
    listener, and are answered 404."""
    ports = [{"name": f"port-{port}", "properties": {"port": port}} for port in (PLAIN, *PORTS)]
    tls = [
        {
            "name": f"tls-{port}",
            "properties": {
                "frontendIPConfiguration": part("frontendIPConfigurations", "public"),
                "frontendPort": part("frontendPorts", f"port-{port}"),
                "protocol": "Https",
                "hostNames": HOSTS,
                "sslCertificate": part("sslCertificates", CERTIFICATE),
                "requireServerNameIndication": True,
            },
        }
        for port in PORTS
    ]
    plain = {
        "name": "plain",
        "properties": {
            "frontendIPConfiguration": part("frontendIPConfigurations", "public"),
            "frontendPort": part("frontendPorts", f"port-{PLAIN}"),
            "protocol": "Http",
            "hostNames": HOSTS,
        },
    }
    forward = [
        {
            "name": f"forward-{port}",
            "properties": {
                "ruleType": "Basic",
                "priority": 100 * number,
                "httpListener": part("httpListeners", f"tls-{port}"),
                "backendAddressPool": part("backendAddressPools", "signaling"),
                "backendHttpSettings": part("backendHttpSettingsCollection", "signaling"),
            },
        }
        for number, port in enumerate(PORTS, 1)
    ]
    lead = {
        "name": "lead",
        "properties": {
            "ruleType": "Basic",
            "priority": 900,
            "httpListener": part("httpListeners", "plain"),
            "redirectConfiguration": part("redirectConfigurations", "to-tls"),
        },
    }
    to_tls = {
        "redirectType": "Permanent",
        "targetListener": part("httpListeners", f"tls-{PORTS[0]}"),
        "includePath": True,
        "includeQueryString": True,
    }
    to_signaling = {
        "port": HTTP_PORT,
        "protocol": "Http",
        "cookieBasedAffinity": "Disabled",
        "requestTimeout": WAIT_S,
        "connectionDraining": {"enabled": True, "drainTimeoutInSec": parameter("drainSeconds")},
        "probe": part("probes", "ready"),
    }
    ready = {
        "protocol": "Http",
        "host": "localhost",
        "port": ADMIN_PORT,
        "path": "/readyz",
        "interval": 10,
        "timeout": 5,
        "unhealthyThreshold": 3,
        "match": {"statusCodes": ["200"]},
    }
    return [
        address("gateway"),
        resource(
            GATEWAY,
            own("gateway"),
            {
                "sku": {"name": "Standard_v2", "tier": "Standard_v2"},
                "autoscaleConfiguration": {"minCapacity": 1, "maxCapacity": 4},
                "sslPolicy": {"policyType": "Predefined", "policyName": "AppGwSslPolicy20220101S"},
                "gatewayIPConfigurations": [
                    {"name": "subnet", "properties": {"subnet": {"id": bracketed(subnet("gateway"))}}}
                ],
                "frontendIPConfigurations": [
                    {"name": "public", "properties": {"publicIPAddress": reference(ADDRESS, own("gateway"))}}
                ],
                "frontendPorts": ports,
                "sslCertificates": [
                    {"name": CERTIFICATE, "properties": {"keyVaultSecretId": bracketed(secret_url(CERTIFICATE))}}
                ],
                "backendAddressPools": [{"name": "signaling"}],
                "backendHttpSettingsCollection": [{"name": "signaling", "properties": to_signaling}],
                "probes": [{"name": "ready", "properties": ready}],
                "httpListeners": [*tls, plain],
                "redirectConfigurations": [{"name": "to-tls", "properties": to_tls}],
                "requestRoutingRules": [*forward, lead],
            },
            identity={"type": "UserAssigned", "userAssignedIdentities": {bracketed(identity("gateway")): {}}},
            zones=ZONES,
            after=[
                identifier(ADDRESS, own("gateway")),
                identifier("Microsoft.Network/virtualNetworks", own("net")),
                identity("gateway"),
                *reads_certificate(),
            ],
        ),
        *names(),
    ]


def names() -> list[Json]:
    """Records in a zone of Azure for the names that were given, if the zone was."""
    return [
        resource(
            "Microsoft.Network/dnsZones/A",
            f"format('{{0}}/{{1}}', parameters('dnsZoneName'), {relative(name)})",
            {"TTL": 300, "targetResource": reference(ADDRESS, own("gateway"))},
            condition=f"[and(not(empty(parameters('dnsZoneName'))), not(empty(parameters('{name}'))))]",
            after=[identifier(ADDRESS, own("gateway"))],
        )
        for name in ("domainName", "originDomainName", "edgeDomainName")
    ]


def relative(name: str) -> str:
    """An expression for a name without the zone; the zone itself is called `@`."""
    whole, zone = f"parameters('{name}')", "parameters('dnsZoneName')"
    # Of a name that was not given there is no record, but its expression is looked at all the same.
    inside = f"if(endsWith({whole}, format('.{{0}}', {zone})), replace({whole}, format('.{{0}}', {zone}), ''), '@')"
    return f"if(empty({whole}), '{name}', {inside})"

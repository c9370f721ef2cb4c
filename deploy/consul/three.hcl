# One of three Consul servers (deploy/compose/consul-3.yml), beside agent.hcl. Its name comes by the command line, and
# the key of the gossip by the file that the container `keys` writes.
bootstrap_expect = 3
bind_addr = "0.0.0.0"
retry_join = ["consul", "consul-2", "consul-3"]
# Only the servers have a certificate of this authority with its key, so nobody else is one of them.
tls {
  internal_rpc {
    ca_file = "/etc/consul/keys/ca.pem"
    cert_file = "/etc/consul/keys/server.pem"
    key_file = "/etc/consul/keys/server.pem"
    verify_incoming = true
    verify_outgoing = true
    tls_min_version = "TLSv1_3"
  }
}

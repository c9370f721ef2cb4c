# Consul of the compose stack: one server. Nobody may do anything without a token; the container `keys` writes that part.
server = true
bootstrap_expect = 1
node_name = "consul"
data_dir = "/consul/data"
# Other agents have no business here. Nodes come over HTTP.
bind_addr = "127.0.0.1"
client_addr = "0.0.0.0"
# In the clear only for the health check, from inside the container.
addresses {
  http = "127.0.0.1"
}
ports {
  https = 8501
  dns = -1
  grpc = -1
  grpc_tls = -1
  serf_wan = -1
}
# The file has the certificate and its key; the container `keys` writes it.
tls {
  https {
    cert_file = "/etc/consul/keys/server.pem"
    key_file = "/etc/consul/keys/server.pem"
    verify_incoming = false
    tls_min_version = "TLSv1_3"
  }
}
# Reads a renewed certificate by itself.
auto_reload_config = true
performance {
  raft_multiplier = 1
}
disable_update_check = true
log_level = "warn"

#!/bin/sh
# Starts coturn with what only this stack knows: its secret, its certificate, and the address at which its media ports
# are reached. The variables are where tests have other folders.
set -eu
umask 077
here=$(dirname "$0")
secret_file=${TURN_SECRET_FILE:-/run/rillcast/turn-secret}
own=${TURN_CERTIFICATE_FOLDER:-/etc/coturn/own}
work=${TURN_WORK_FOLDER:-/tmp}
config=$work/turnserver.conf

die() {
    echo "coturn is not started: $1" >&2
    exit 1
}

addresses=$(printf %s "${RILLCAST_PUBLIC_ADDRESS:-}" | tr ',' ' ')
[ -n "$addresses" ] || die "RILLCAST_PUBLIC_ADDRESS is to be the IP address at which clients reach the media ports"
[ -s "$secret_file" ] || die "there is no secret in $secret_file"

cat "$here/turnserver.conf" >"$config"
printf 'pidfile=%s\nuserdb=%s\n' "$work/turnserver.pid" "$work/turndb" >>"$config"
printf 'static-auth-secret=%s\n' "$(cat "$secret_file")" >>"$config"
for address in $addresses; do
    case $address in
    *[!0-9a-fA-F.:]*) die "RILLCAST_PUBLIC_ADDRESS has $address, which is no IP address" ;;
    esac
    printf 'allowed-peer-ip=%s\n' "$address" >>"$config"
done

certificate=$own/fullchain.pem key=$own/privkey.pem
if [ -e "$certificate" ] || [ -e "$key" ]; then
    [ -r "$certificate" ] && [ -r "$key" ] || die "fullchain.pem and privkey.pem must both be there, for user $(id -u)"
else
    echo "There is no certificate in TURN_CERTIFICATE_FOLDER, so one is made that no browser trusts: turns: fails there,"
    echo "and turn: with ?transport=tcp works."
    certificate=$work/certificate.pem key=$work/key.pem
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj /CN=rillcast-turn \
        -addext "subjectAltName=IP:${addresses%% *}" -keyout "$key" -out "$certificate" 2>/dev/null
fi
printf 'cert=%s\npkey=%s\n' "$certificate" "$key" >>"$config"

exec turnserver -c "$config" "$@"

#!/bin/sh
# Makes the certificates the TLS tests use, valid for a hundred years, beside this script. They are committed: tests
# must not depend on openssl. Keys of tests; never use them for anything else.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
days=36500
key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1-key.pem"; }

key ca
openssl req -x509 -new -key ca-key.pem -days $days -subj "/CN=asyncore test authority" -out ca.pem \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign

# name, subject, subject alternative names, start and end as openssl ca wants them
touch "$work/index.txt"
echo 01 >"$work/serial"
cat >"$work/ca.cnf" <<CNF
[ca]
default_ca = test
[test]
dir = $work
database = $work/index.txt
new_certs_dir = $work
serial = $work/serial
certificate = ca.pem
private_key = ca-key.pem
default_md = sha256
policy = anything
unique_subject = no
copy_extensions = copy
[anything]
commonName = supplied
CNF
leaf() {
  key "$1"
  openssl req -new -key "$1-key.pem" -subj "/CN=$2" -addext "subjectAltName=$3" -out "$work/$1.csr"
  openssl ca -batch -notext -config "$work/ca.cnf" -in "$work/$1.csr" -out "$1.pem" -startdate "$4" -enddate "$5" 2>/dev/null
}
leaf server localhost "DNS:localhost,IP:127.0.0.1,IP:::1" 20200101000000Z 21200101000000Z
leaf other other.example "DNS:other.example,DNS:*.wild.example" 20200101000000Z 21200101000000Z
leaf client "a client" "DNS:client.example" 20200101000000Z 21200101000000Z
leaf expired localhost "DNS:localhost,IP:127.0.0.1" 20200101000000Z 20210101000000Z
# Signed by nobody the others trust.
key stranger
openssl req -x509 -new -key stranger-key.pem -days $days -subj "/CN=localhost" -addext "subjectAltName=DNS:localhost,IP:127.0.0.1" -out stranger.pem

#!/bin/sh
# Makes the certificates of the tests again, valid for a century. Their keys are public and worth nothing.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"; }

authority() { # name of the file, name of the authority
    key "$work/$1.key"
    openssl req -x509 -new -key "$work/$1.key" -out "$1.pem" -days 36500 -subj "/CN=$2" \
        -addext basicConstraints=critical,CA:true -addext keyUsage=critical,keyCertSign
}

issue() { # authority, name of the files, subject, usage, alternative names
    key "$2-key.pem"
    openssl req -new -key "$2-key.pem" -out "$work/request" -subj "/CN=$3"
    printf 'basicConstraints=CA:false\nextendedKeyUsage=%s\nsubjectAltName=%s\n' "$4" "$5" > "$work/extensions"
    openssl x509 -req -in "$work/request" -CA "$1.pem" -CAkey "$work/$1.key" -CAcreateserial -days 36500 \
        -extfile "$work/extensions" -out "$2.pem"
}

names=DNS:localhost,DNS:secure.example,IP:127.0.0.1,IP:::1
authority ca "wash tests"
issue ca server "first" serverAuth "$names"
issue ca renewed "second" serverAuth "$names"
issue ca client "client" clientAuth DNS:client.example
authority stranger "another authority"
issue stranger stranger-client "stranger" clientAuth DNS:stranger.example
rm -f ./*.srl

#!/bin/sh
# Makes the secrets of an installation, drawn at random but for the password of SMTP, and only those that are missing:
# docker/make-secrets.sh [FOLDER], by default docker/secrets.
#
# Only you may enter the folder. The files in it can be read by everybody who gets past that, because the
# containers, which are given one file each, run as users that own none of them.
set -eu

folder=${1:-$(dirname "$0")/secrets}
umask 077
mkdir -p "$folder"
chmod 700 "$folder"

# 32 bytes as 64 hexadecimal characters.
random() { od -An -N32 -tx1 /dev/urandom | tr -d ' \n'; }

# For certificates, should nginx speak TLS; it is given the whole folder.
mkdir -p "$folder/tls"
chmod 755 "$folder/tls"

# keep NAME TEXT: writes a secret, whole or not at all, where there is none.
keep() {
    if [ -s "$folder/$1" ]; then
        echo "kept  $folder/$1"
        return
    fi
    printf '%s\n' "$2" > "$folder/$1.new"
    chmod 444 "$folder/$1.new"
    mv "$folder/$1.new" "$folder/$1"
    echo "made  $folder/$1"
}

# Seals API tokens; whoever loses it has to make all tokens anew.
keep secret_key "$(random)"
# The owner of the database, who changes the schema; and the processes, who can't.
keep postgres_password "$(random)"
keep postgres_app_password "$(random)"
keep redis_password "$(random)"
# The one user of Redis: everything with its own keys and channels, nothing that harms a server.
keep redis_acl "user default off
user lamplighter on >$(cat "$folder/redis_password") ~lamplighter:* &lamplighter:* +@all -@dangerous +info"
# Of your account at the SMTP server, where mail goes through one: write it over the empty line.
keep mail_password ""

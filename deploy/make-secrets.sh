#!/bin/sh
# Makes every secret of the compose file in deploy/secrets (git-ignored), once: what exists stays.
# The folder is closed to other users of this machine; the files in it are readable, since each is mounted by itself
# into a container that runs as a user of its own.
set -eu
umask 022
secrets="$(cd "$(dirname "$0")" && pwd)/secrets"
templates="$(dirname "$secrets")"
mkdir -p "$secrets"
chmod 700 "$secrets"

random() { openssl rand -hex 32; }
# Makes the file $1 from standard input unless it is there.
keep() { [ -e "$secrets/$1" ] && cat >/dev/null || cat >"$secrets/$1"; }
read_secret() { cat "$secrets/$1"; }
sha256() { printf %s "$1" | openssl dgst -sha256 -r | cut -d ' ' -f 1; }

random | keep admin_token
openssl rand -base64 32 | keep encryption_key
for name in postgres_superuser postgres_migrator postgres_policy postgres_exchange postgres_audit; do
  random | keep "${name}_password"
done
for name in discovery exchange policy audit subscriber; do
  random | keep "nats_${name}_password"
done
for name in exchange discovery; do
  random | keep "redis_${name}_password"
done

# What the services read: URLs with the password in them.
for name in discovery exchange policy audit; do
  echo "nats://$name:$(read_secret "nats_${name}_password")@nats:4222" | keep "${name}_nats_url"
done
for name in exchange discovery; do
  echo "redis://$name:$(read_secret "redis_${name}_password")@redis:6379" | keep "${name}_redis_url"
done
for name in policy exchange audit migrator; do
  echo "postgres://countersign_$name:$(read_secret "postgres_${name}_password")@postgres:5432/countersign" |
    keep "${name}_database_url"
done

# What the servers read.
keep nats_server.conf <<EOF
CS_SERVER_NAME: "countersign"
CS_LISTEN: "0.0.0.0:4222"
CS_MONITOR: "127.0.0.1:8222"
CS_STORE_DIR: "/data"
CS_PASSWORD_DISCOVERY: "$(read_secret nats_discovery_password)"
CS_PASSWORD_EXCHANGE: "$(read_secret nats_exchange_password)"
CS_PASSWORD_POLICY: "$(read_secret nats_policy_password)"
CS_PASSWORD_AUDIT: "$(read_secret nats_audit_password)"
CS_PASSWORD_SUBSCRIBER: "$(read_secret nats_subscriber_password)"
EOF
sed -e "s/@REDIS_EXCHANGE_SHA256@/$(sha256 "$(read_secret redis_exchange_password)")/" \
  -e "s/@REDIS_DISCOVERY_SHA256@/$(sha256 "$(read_secret redis_discovery_password)")/" \
  "$templates/redis/users.acl.template" | keep redis_users.acl

# The same for Kubernetes: deploy/kubernetes/example takes this folder in.
secret_of() {
  echo "  - name: countersign-$1"
  echo '    files:'
  shift
  for file in "$@"; do echo "      - $file"; done
}
keep kustomization.yaml <<EOF
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
secretGenerator:
$(secret_of discovery admin_token nats_url=discovery_nats_url redis_url=discovery_redis_url)
$(secret_of exchange admin_token encryption_key nats_url=exchange_nats_url redis_url=exchange_redis_url \
  database_url=exchange_database_url migration_database_url=migrator_database_url)
$(secret_of policy admin_token nats_url=policy_nats_url database_url=policy_database_url \
  migration_database_url=migrator_database_url)
$(secret_of audit admin_token encryption_key nats_url=audit_nats_url database_url=audit_database_url \
  migration_database_url=migrator_database_url)
  - name: nats-server
    files:
      - server.conf=nats_server.conf
  - name: redis-users
    files:
      - users.acl=redis_users.acl
  - name: postgres-passwords
    files:
      - postgres_superuser_password
      - postgres_migrator_password
      - postgres_policy_password
      - postgres_exchange_password
      - postgres_audit_password
EOF

echo "secrets are in $secrets; the admin token: $secrets/admin_token"

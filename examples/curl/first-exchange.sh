#!/bin/sh
# One exchange with curl. Tokens go through pipes, so that they do not show in the list of processes.
set -eu
url=${COUNTERSIGN_URL:-http://127.0.0.1:8080}
member() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p"; }

# 1. The platform's token of this job; GitHub Actions and `countersign dev issuer` answer alike.
subject_token=$(
  printf 'Authorization: bearer %s' "$ACTIONS_ID_TOKEN_REQUEST_TOKEN" |
    curl -sS --fail-with-body -G -H @- --data-urlencode "audience=$url" "$ACTIONS_ID_TOKEN_REQUEST_URL" | member value
)

# 2. The exchange (RFC 8693).
access_token=$(
  printf '%s' "$subject_token" |
    curl -sS --fail-with-body "$url/oauth2/token" \
      --data-urlencode grant_type=urn:ietf:params:oauth:grant-type:token-exchange \
      --data-urlencode subject_token_type=urn:ietf:params:oauth:token-type:jwt \
      --data-urlencode subject_token@- | member access_token
)

# 3. Use it. Here: to read the roles that countersign has, which the policy allows.
printf 'Authorization: Bearer %s' "$access_token" | curl -sS --fail-with-body -H @- "$url/v1/resources?kind=Role"

# What the examples of docs/token-service.md share.
url=${COUNTERSIGN_URL:-http://127.0.0.1:8080}
# A new token of this job. Here the local issuer of the CLI stands in for the platform.
job_token() { npx countersign dev issuer token --port 8090 "$@" | tr -d '\n'; }
# Members of a JSON answer: one to go on with, and all of it without tokens in it.
member() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" | tr -d '\n'; }
shown() { sed 's/"\(eyJ\)[^"]*"/"\1…"/g' && echo; }
# Tokens go through pipes and files, where no list of processes shows them.
as_admin() {
  (umask 077 && printf 'Authorization: Bearer %s' "$COUNTERSIGN_TOKEN" > admin.header)
  curl -sS --fail-with-body -H @admin.header "$@"
}

# syntax=docker/dockerfile:1
# One image for each service: docker build --build-arg SERVICE=exchange -t countersign/exchange .
# For a release pin the base by digest: --build-arg NODE_IMAGE=node:22.23.3-bookworm-slim@sha256:...
ARG NODE_IMAGE=node:22.23.3-bookworm-slim

# The manifests by themselves, so that a change of sources does not install everything again.
FROM ${NODE_IMAGE} AS manifests
WORKDIR /all
COPY . .
RUN mkdir /manifests && cp --parents package.json package-lock.json .npmrc */package.json */*/package.json /manifests

FROM ${NODE_IMAGE} AS workspace
WORKDIR /src
COPY --from=manifests /manifests ./

# Compiled once for all services.
FROM workspace AS build
RUN npm ci
COPY . .
RUN npx tsc -b apps/discovery apps/exchange apps/policy apps/audit

# The run-time dependencies of one service. Optional ones (an embedded PostgreSQL) are for the embedded mode.
FROM workspace AS dependencies
ARG SERVICE
RUN test -n "${SERVICE}" && npm ci --omit=dev --omit=optional --ignore-scripts -w "@countersign/${SERVICE}"

FROM build AS assemble
ARG SERVICE
RUN --mount=type=bind,from=dependencies,source=/src,target=/installed \
    node deploy/docker/assemble.mjs "${SERVICE}" /installed /out/app && cp deploy/docker/health.mjs /out/app/health.mjs

# What node itself needs of the operating system: no shell, no package manager, no npm in the image.
FROM ${NODE_IMAGE} AS system
RUN mkdir -p /out/tmp /out/etc \
    && ldd /usr/local/bin/node | grep -o '/lib[^ ]*' | xargs -I '{}' cp --parents -L '{}' /out \
    && cp --parents /usr/local/bin/node /etc/nsswitch.conf /out \
    && echo 'countersign:x:65532:65532::/nonexistent:/usr/sbin/nologin' > /out/etc/passwd \
    && echo 'countersign:x:65532:' > /out/etc/group \
    && chmod 1777 /out/tmp

FROM scratch
ARG SERVICE
LABEL org.opencontainers.image.title="countersign ${SERVICE}" org.opencontainers.image.licenses="Apache-2.0"
COPY --from=system /out /
COPY --from=assemble /out/app /app
WORKDIR /app/apps/${SERVICE}
ENV NODE_ENV=production COUNTERSIGN_PORT=8080 COUNTERSIGN_MANAGEMENT_PORT=9090
USER 65532:65532
EXPOSE 8080 9090
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 CMD ["/usr/local/bin/node", "/app/health.mjs"]
# SIGUSR1 would open a debugger port.
ENTRYPOINT ["/usr/local/bin/node", "--disable-sigusr1", "dist/main.js"]

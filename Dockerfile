# The proxy, and the embedded engine where no ROCKETMQ_ENDPOINT is set:
#   docker build -t rocketmq-grpc-proxy .
#   docker run --read-only -p 50051:50051 -p 8080:8080 -e ROCKETMQ_ENDPOINT=mq.internal:9876 rocketmq-grpc-proxy
# For several platforms: docker buildx build --platform linux/amd64,linux/arm64 .

ARG NODE_VERSION=20

# All of it is JavaScript, so that what the builder's own platform makes runs on every other.
FROM --platform=$BUILDPLATFORM node:${NODE_VERSION}-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts --omit=dev

FROM --platform=$BUILDPLATFORM node:${NODE_VERSION}-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY src src
# What the server needs of `npm run build`; CI has checked the types.
RUN npx tsc -p src --noCheck --declaration false --incremental false
RUN mkdir data

FROM node:${NODE_VERSION}-slim
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build --chown=1000:1000 /app/data data

# Clients may use ROCKETMQ_ENDPOINT and no other, until PROXY_ALLOWED_ENDPOINTS lists more.
ENV PROXY_HOST=0.0.0.0
ENV PROXY_ALLOWED_ENDPOINTS=none
# Docker kills 10 s after SIGTERM, and messages are given back for up to 3 s after the drain.
ENV PROXY_DRAIN_TIMEOUT=5s

# The seal key, and the messages of the embedded engine. Nothing else is written.
VOLUME /app/data
EXPOSE 50051 8080
# The user "node", as the number that Kubernetes wants for runAsNonRoot.
USER 1000:1000
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.METRICS_PORT || 8080}/readyz`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/server.js"]

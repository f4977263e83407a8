# The bus for machines that cannot pull: the nats-server that set-up obtained. Used like the public image.
ARG NODE_IMAGE=node:24-bookworm-slim
FROM ${NODE_IMAGE}
COPY nats-server /usr/local/bin/nats-server
EXPOSE 4222 8222 6222
CMD ["nats-server", "--config", "/etc/nats/nats-server.conf"]

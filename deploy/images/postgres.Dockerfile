# PostgreSQL for machines that cannot pull: the binaries of the npm package. Takes what our compose file uses of the
# public image's ways: POSTGRES_PASSWORD_FILE, settings as arguments, PGDATA, pg_isready.
ARG NODE_IMAGE=node:24-bookworm-slim
FROM ${NODE_IMAGE}
COPY native/ /opt/postgresql/
COPY postgres-entrypoint.sh /usr/local/bin/postgres-entrypoint.sh
COPY pg_isready.sh /usr/local/bin/pg_isready
COPY --chown=999:999 data/ /var/lib/postgresql/
COPY --chown=999:999 run/ /run/postgresql/
ENV PGDATA=/var/lib/postgresql/18/docker \
    LD_LIBRARY_PATH=/opt/postgresql/lib \
    PATH=/opt/postgresql/bin:/usr/local/bin:/usr/bin:/bin
USER 999:999
STOPSIGNAL SIGINT
EXPOSE 5432
ENTRYPOINT ["postgres-entrypoint.sh"]
CMD ["postgres"]

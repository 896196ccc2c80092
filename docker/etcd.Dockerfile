# One member of etcd, from Debian's package; for the container suite and for trying things out. Built by build.sh.
ARG BASE
FROM ${BASE}
COPY etcd/usr/bin/etcd etcd/usr/bin/etcdctl /usr/local/bin/
RUN useradd --system --uid 10002 --user-group --home-dir /var/lib/etcd --create-home --shell /usr/sbin/nologin etcd \
  && chmod 700 /var/lib/etcd
ENV ETCDCTL_API=3
USER etcd
VOLUME /var/lib/etcd
EXPOSE 2379 2380
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s --retries=3 CMD ["etcdctl", "endpoint", "health"]
ENTRYPOINT ["tini", "--", "etcd", "--data-dir", "/var/lib/etcd/data"]
CMD ["--listen-client-urls", "http://0.0.0.0:2379", "--advertise-client-urls", "http://127.0.0.1:2379"]

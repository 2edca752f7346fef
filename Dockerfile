# The gateway as an image with nothing else in it: no shell, no package manager, one user without rights.
# What goes into it is gathered by packaging/docker/rootfs, which CI runs too (.ci/image).
#
#   docker build -t kaspi .
#
# How to run it: docs/install.md; on Railway: docs/railway.md.
FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /build
COPY Cargo.toml Cargo.lock ./
COPY src src
RUN cargo build --release --locked --bin kaspi
COPY packaging/docker packaging/docker
RUN bash packaging/docker/rootfs target/release/kaspi /rootfs

FROM scratch
COPY --from=build /rootfs/ /
# the one folder that may be written, for a volume to be mounted on
COPY --from=build --chown=65532:65532 /rootfs/var/lib/kaspi /var/lib/kaspi
USER 65532:65532
# PORT is every address of the container; hosts that give one of their own put it in its place
ENV PORT=8014 \
    KASPI_CONFIG=/etc/kaspi/kaspi.toml \
    KASPI_JOURNAL_URL=sqlite:///var/lib/kaspi/kaspi.db
WORKDIR /var/lib/kaspi
EXPOSE 8014
ENTRYPOINT ["/usr/bin/kaspi"]
CMD ["serve"]

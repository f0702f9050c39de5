# The operator and its command line as static binaries, with the client programs for charts in Git and
# Subversion repositories.
#
#   docker build --tag coxswain:dev .

FROM rust:1-alpine AS build
RUN apk add --no-cache musl-dev
WORKDIR /coxswain
# The dependencies in a layer of their own: they change less often than the code.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src/bin \
    && echo 'fn main() {}' | tee src/bin/coxswain.rs > src/bin/kubectl-captain.rs \
    && touch src/lib.rs \
    && cargo build --locked --profile dist --bins \
    && rm -r src
COPY src src
# Newer than what was built for the dependencies, whatever times the checkout has.
RUN touch src/lib.rs src/bin/*.rs && cargo build --locked --profile dist --bins
# An empty folder for the chart cache where no volume is mounted.
RUN mkdir /cache

FROM alpine:3
# ssh wants its user to have a name. tini, as the first process, clears away what a program that was killed had started.
RUN apk add --no-cache ca-certificates git openssh-client subversion tini \
    && addgroup -g 65532 coxswain \
    && adduser -D -H -u 65532 -G coxswain coxswain
LABEL org.opencontainers.image.title="coxswain" \
      org.opencontainers.image.description="Installs Helm charts from custom resources and keeps them as declared" \
      org.opencontainers.image.source="https://github.com/coxswain-dev/coxswain" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /coxswain/target/dist/coxswain /coxswain
COPY --from=build /coxswain/target/dist/kubectl-captain /kubectl-captain
COPY --from=build --chown=65532:65532 /cache /cache
ENV COXSWAIN_CACHE_DIR=/cache
# Memory that is freed goes back at once: what is kept of a render's is more than the time is worth. And it is taken in
# pages of the usual size: of a huge one hardly any goes back.
ENV MIMALLOC_PURGE_DELAY=0 \
    MIMALLOC_ALLOW_THP=0
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/sbin/tini", "--", "/coxswain"]
CMD ["controller"]

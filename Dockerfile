# The operator as a static binary in an image that holds nothing else.
#
#   docker build --tag coxswain:dev .

FROM rust:1-alpine AS build
RUN apk add --no-cache musl-dev
WORKDIR /coxswain
# The dependencies in a layer of their own: they change less often than the code.
COPY Cargo.toml Cargo.lock ./
RUN mkdir -p src/bin \
    && echo 'fn main() {}' > src/bin/coxswain.rs \
    && touch src/lib.rs \
    && cargo build --locked --profile dist --bin coxswain \
    && rm -r src
COPY src src
# Newer than what was built for the dependencies, whatever times the checkout has.
RUN touch src/lib.rs src/bin/*.rs && cargo build --locked --profile dist --bin coxswain
# An empty folder for the chart cache where no volume is mounted.
RUN mkdir /cache

FROM scratch
LABEL org.opencontainers.image.title="coxswain" \
      org.opencontainers.image.description="Installs Helm charts from custom resources and keeps them as declared" \
      org.opencontainers.image.source="https://github.com/coxswain-dev/coxswain" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /coxswain/target/dist/coxswain /coxswain
COPY --from=build --chown=65532:65532 /cache /cache
ENV COXSWAIN_CACHE_DIR=/cache
# Memory that is freed goes back at once: what is kept of a render's is more than the time is worth.
ENV MIMALLOC_PURGE_DELAY=0
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/coxswain"]
CMD ["controller"]

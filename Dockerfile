# Drawbridge in a container of its own: one static binary and the roots of trust, nothing else.
#
#   docker build -t drawbridge .
#   docker run --rm --read-only -v drawbridge-data:/data drawbridge init /data --public-url https://login.acme.example
#   docker run --read-only -p 8080:8080 -v drawbridge-data:/data drawbridge
#
# Everything that changes lies in /data: configuration, keys and, without PostgreSQL, the database.
# The root file system is never written to, and there is no /tmp and no shell.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o /out/drawbridge ./cmd/drawbridge \
 && mkdir -p /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /src/LICENSE /LICENSE
COPY --from=build /out/drawbridge /drawbridge
# A new volume takes owner and mode from this folder.
COPY --from=build --chown=65532:65532 --chmod=0700 /out/data /data
USER 65532:65532
WORKDIR /data
VOLUME /data
# The doors listen on every address of the container. Metrics and profiles stay on its loopback until
# DRAWBRIDGE_OPERATOR_LISTEN=0.0.0.0:9090 says otherwise; never publish that port to strangers.
ENV DRAWBRIDGE_LISTEN=0.0.0.0:8080
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 CMD ["/drawbridge", "health"]
ENTRYPOINT ["/drawbridge"]
CMD ["serve"]

package client

//go:generate ../test/openapi.sh write

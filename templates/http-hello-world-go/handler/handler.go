// Package handler answers HTTP requests.
package handler

import (
	"strings"

	http "http-hello-world-go/gen/imports/wasi_http_types"

	wit "go.bytecodealliance.org/pkg/wit/types"
)

// Handle answers one request. Each has a fresh instance of the component: what is kept in variables is gone afterwards.
func Handle(request *http.IncomingRequest, out *http.ResponseOutparam) {
	path, _, _ := strings.Cut(request.PathWithQuery().SomeOr("/"), "?")
	request.Drop()
	if path == "/" {
		respond(out, 200, "Hello from wash!\n")
	} else {
		respond(out, 404, "Not found\n")
	}
}

// respond sends a text as the whole response.
func respond(out *http.ResponseOutparam, status uint16, text string) {
	headers := http.MakeFields()
	headers.Append("content-type", []uint8("text/plain; charset=utf-8"))
	response := http.MakeOutgoingResponse(headers)
	response.SetStatusCode(status)
	body := response.Body().Ok()

	// From here on the host sends, while the body is written.
	http.ResponseOutparamSet(out, wit.Ok[*http.OutgoingResponse, http.ErrorCode](response))

	stream := body.Write().Ok()
	for rest := []uint8(text); len(rest) > 0; {
		// So much is taken by one call.
		part := rest[:min(len(rest), 4096)]
		if stream.BlockingWriteAndFlush(part).IsErr() {
			// The client has left. A body that is dropped and not finished is one that something is missing of.
			stream.Drop()
			body.Drop()
			return
		}
		rest = rest[len(part):]
	}
	// The stream goes before the body that it was made of.
	stream.Drop()
	http.OutgoingBodyFinish(body, wit.None[*http.Fields]())
}

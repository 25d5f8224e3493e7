// Package export_wasi_http_incoming_handler is where the generated code looks for what the component exports. This file is written by hand
// and stays when the rest is made again.
package export_wasi_http_incoming_handler

import (
	"http-hello-world-go/gen/imports/wasi_http_types"
	"http-hello-world-go/handler"
)

// Handle is called by the host for each request.
func Handle(request *wasi_http_types.IncomingRequest, out *wasi_http_types.ResponseOutparam) {
	handler.Handle(request, out)
}

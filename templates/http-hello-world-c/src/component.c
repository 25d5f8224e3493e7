// Answers HTTP requests. What is called here is declared in gen/component.h, which was made from wit/world.wit.

#include <string.h>

#include "component.h"

typedef exports_wasi_http_incoming_handler_own_incoming_request_t request_t;
typedef exports_wasi_http_incoming_handler_own_response_outparam_t response_out_t;

static void answer(response_out_t out, uint16_t status, const char *text);
static bool write_all(wasi_http_types_own_outgoing_body_t body, const char *text, size_t length);

// The host calls this for each request, each time in a fresh instance.
void exports_wasi_http_incoming_handler_handle(request_t request, response_out_t out) {
  component_string_t path;
  bool is_root = true;
  if (wasi_http_types_method_incoming_request_path_with_query(wasi_http_types_borrow_incoming_request(request), &path)) {
    // The text belongs to us and has no zero at its end.
    is_root = path.len > 0 && path.ptr[0] == '/' && (path.len == 1 || path.ptr[1] == '?');
    component_string_free(&path);
  }
  wasi_http_types_incoming_request_drop_own(request);

  if (is_root) {
    answer(out, 200, "Hello from wash!\n");
  } else {
    answer(out, 404, "Not found\n");
  }
}

static void answer(response_out_t out, uint16_t status, const char *text) {
  wasi_http_types_own_fields_t headers = wasi_http_types_constructor_fields();
  component_string_t name;
  component_string_set(&name, "content-type");
  const char *type = "text/plain; charset=utf-8";
  wasi_http_types_field_value_t value = {(uint8_t *)type, strlen(type)};
  wasi_http_types_header_error_t ignored;
  wasi_http_types_method_fields_append(wasi_http_types_borrow_fields(headers), &name, &value, &ignored);

  // A constructor takes what it is given; `borrow` only shows it.
  wasi_http_types_own_outgoing_response_t response = wasi_http_types_constructor_outgoing_response(headers);
  wasi_http_types_borrow_outgoing_response_t shown = wasi_http_types_borrow_outgoing_response(response);
  wasi_http_types_method_outgoing_response_set_status_code(shown, status);
  wasi_http_types_own_outgoing_body_t body;
  if (!wasi_http_types_method_outgoing_response_body(shown, &body)) {
    return;
  }

  // From here on the host sends, while the body is written.
  wasi_http_types_result_own_outgoing_response_error_code_t result = {.is_err = false, .val.ok = response};
  wasi_http_types_static_response_outparam_set(out, &result);
  if (write_all(body, text, strlen(text))) {
    wasi_http_types_error_code_t error;
    wasi_http_types_static_outgoing_body_finish(body, NULL, &error);
  } else {
    // A body that is dropped and not finished tells the client that something is missing.
    wasi_http_types_outgoing_body_drop_own(body);
  }
}

static bool write_all(wasi_http_types_own_outgoing_body_t body, const char *text, size_t length) {
  wasi_http_types_own_output_stream_t stream;
  if (!wasi_http_types_method_outgoing_body_write(wasi_http_types_borrow_outgoing_body(body), &stream)) {
    return false;
  }
  bool written = true;
  while (written && length > 0) {
    // So much is taken by one call.
    size_t part = length < 4096 ? length : 4096;
    component_list_u8_t bytes = {(uint8_t *)text, part};
    wasi_io_streams_stream_error_t error;
    written = wasi_io_streams_method_output_stream_blocking_write_and_flush(wasi_io_streams_borrow_output_stream(stream),
                                                                           &bytes, &error);
    if (!written) {
      wasi_io_streams_stream_error_free(&error);
    }
    text += part;
    length -= part;
  }
  // The stream goes before the body that it was made of.
  wasi_io_streams_output_stream_drop_own(stream);
  return written;
}

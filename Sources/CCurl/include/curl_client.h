// The part of libcurl's C interface (curl.se/libcurl/c) that Microtome uses, bound at run time.
//
// Nothing here links against libcurl or needs its headers: `mt_curl_bind` looks the functions up in a library that was
// opened before. libcurl's functions are variadic, which Swift cannot call.
#ifndef MICROTOME_CURL_CLIENT_H
#define MICROTOME_CURL_CLIENT_H

#include <stddef.h>
#include <stdint.h>

typedef struct mt_curl mt_curl;

/// Results of `mt_curl_perform` that are told apart (libcurl's own numbers).
enum {
  MT_CURL_OK = 0,
  MT_CURL_COULD_NOT_RESOLVE_PROXY = 5,
  MT_CURL_COULD_NOT_RESOLVE_HOST = 6,
  MT_CURL_COULD_NOT_CONNECT = 7,
  MT_CURL_PARTIAL_FILE = 18,
  MT_CURL_WRITE_ERROR = 23,
  MT_CURL_TIMED_OUT = 28,
  MT_CURL_TLS_CONNECT = 35,
  MT_CURL_ABORTED = 42,
  MT_CURL_GOT_NOTHING = 52,
  MT_CURL_SEND_ERROR = 55,
  MT_CURL_RECEIVE_ERROR = 56,
  MT_CURL_HTTP2 = 92
};

/// The size of the buffer for messages.
#define MT_CURL_MESSAGE_SIZE 256

typedef struct {
  const char *url;
  /// `Name: value`.
  const char *const *headers;
  size_t header_count;
  /// Sent with POST; NULL for GET.
  const char *body;
  size_t body_size;
  /// The bytes asked for, as "1000-"; NULL for all.
  const char *range;
  const char *user_agent;
  /// A file of trusted certificates; NULL for the library's own choice.
  const char *certificates;
  long connect_seconds;
  /// The transfer fails when it has been slower than one byte a second for so long.
  long stall_seconds;
  long maximum_redirects;
  /// The callbacks return 0 to go on; anything else ends the transfer.
  /// One line of a response's header, the status line included; also those of redirections.
  int (*on_header)(const char *bytes, size_t size, void *context);
  int (*on_data)(const char *bytes, size_t size, void *context);
  /// Called at least about once a second.
  int (*on_tick)(void *context);
  void *context;
} mt_curl_request;

/// Finds the functions in an open library and initialises it. Returns NULL when one is missing and stores its name in
/// `missing`. The table is never freed: the library it belongs to stays open as well.
const mt_curl *mt_curl_bind(void *library, const char **missing);

/// "libcurl/8.5.0 OpenSSL/3.0.13 ..."
const char *mt_curl_version(const mt_curl *api);

/// Makes one request over http or https and follows redirections. Proxies are those of the environment.
///
/// Returns one of the numbers above or another of libcurl's. `status` is the last HTTP status, 0 without one; `message`
/// takes MT_CURL_MESSAGE_SIZE bytes and is empty on success.
int mt_curl_perform(const mt_curl *api, const mt_curl_request *request, long *status, char *message);

#endif

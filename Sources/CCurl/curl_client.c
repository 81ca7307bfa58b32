#include "curl_client.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

// The numbers of options are part of libcurl's ABI: 0 + n takes a long, 10000 + n a pointer, 20000 + n a function.
enum {
  OPTION_WRITE_DATA = 10001,
  OPTION_URL = 10002,
  OPTION_RANGE = 10007,
  OPTION_ERROR_BUFFER = 10010,
  OPTION_WRITE_FUNCTION = 20011,
  OPTION_POST_FIELDS = 10015,
  OPTION_USER_AGENT = 10018,
  OPTION_LOW_SPEED_LIMIT = 19,
  OPTION_LOW_SPEED_TIME = 20,
  OPTION_HTTP_HEADER = 10023,
  OPTION_HEADER_DATA = 10029,
  OPTION_NO_PROGRESS = 43,
  OPTION_FOLLOW_LOCATION = 52,
  OPTION_XFER_INFO_DATA = 10057,
  OPTION_POST_FIELD_SIZE = 60,
  OPTION_CA_INFO = 10065,
  OPTION_MAX_REDIRS = 68,
  OPTION_CONNECT_TIMEOUT = 78,
  OPTION_HEADER_FUNCTION = 20079,
  OPTION_NO_SIGNAL = 99,
  OPTION_PROTOCOLS = 181,
  OPTION_REDIR_PROTOCOLS = 182,
  OPTION_XFER_INFO_FUNCTION = 20219,
  INFO_RESPONSE_CODE = 0x200002,
  PROTOCOL_HTTP = 1,
  PROTOCOL_HTTPS = 2,
  GLOBAL_ALL = 3
};

#define MT_FUNCTIONS(X)                                                                                               \
  X(curl_global_init, int, (long))                                                                                    \
  X(curl_version, const char *, (void))                                                                               \
  X(curl_easy_init, void *, (void))                                                                                   \
  X(curl_easy_setopt, int, (void *, int, ...))                                                                        \
  X(curl_easy_perform, int, (void *))                                                                                 \
  X(curl_easy_getinfo, int, (void *, int, ...))                                                                       \
  X(curl_easy_cleanup, void, (void *))                                                                                \
  X(curl_easy_strerror, const char *, (int))                                                                          \
  X(curl_slist_append, void *, (void *, const char *))                                                                \
  X(curl_slist_free_all, void, (void *))

struct mt_curl {
#define MT_FIELD(name, result, parameters) result(*name) parameters;
  MT_FUNCTIONS(MT_FIELD)
};

const mt_curl *mt_curl_bind(void *library, const char **missing) {
  mt_curl *api = calloc(1, sizeof *api);
  if (!api) {
    *missing = "memory";
    return NULL;
  }
#define MT_LOOK_UP(name, result, parameters)                                                                          \
  *(void **)&api->name = dlsym(library, #name);                                                                       \
  if (!api->name) {                                                                                                   \
    *missing = #name;                                                                                                 \
    free(api);                                                                                                        \
    return NULL;                                                                                                      \
  }
  MT_FUNCTIONS(MT_LOOK_UP)
  if (api->curl_global_init(GLOBAL_ALL) != 0) {
    *missing = "curl_global_init (it failed)";
    free(api);
    return NULL;
  }
  return api;
}

const char *mt_curl_version(const mt_curl *api) {
  const char *version = api->curl_version();
  return version ? version : "";
}

static size_t pass_header(char *bytes, size_t size, size_t count, void *data) {
  const mt_curl_request *request = data;
  return request->on_header(bytes, size * count, request->context) == 0 ? size * count : 0;
}

static size_t pass_data(char *bytes, size_t size, size_t count, void *data) {
  const mt_curl_request *request = data;
  // An empty call must not be answered with 0 bytes too few, which would be an error.
  if (size * count == 0) return 0;
  return request->on_data(bytes, size * count, request->context) == 0 ? size * count : 0;
}

static int pass_tick(void *data, int64_t total, int64_t now, int64_t upload_total, int64_t upload_now) {
  (void)total, (void)now, (void)upload_total, (void)upload_now;
  const mt_curl_request *request = data;
  return request->on_tick(request->context);
}

int mt_curl_perform(const mt_curl *api, const mt_curl_request *request, long *status, char *message) {
  *status = 0;
  message[0] = 0;
  void *handle = api->curl_easy_init();
  if (!handle) {
    snprintf(message, MT_CURL_MESSAGE_SIZE, "out of memory");
    return 27;
  }
  void *headers = NULL;
  for (size_t index = 0; index < request->header_count; index++) {
    headers = api->curl_slist_append(headers, request->headers[index]);
  }
  int (*set)(void *, int, ...) = api->curl_easy_setopt;
  int failed = 0;
  failed |= set(handle, OPTION_URL, request->url);
  failed |= set(handle, OPTION_ERROR_BUFFER, message);
  // Names are looked up in a thread instead of with an alarm, which would disturb ours.
  failed |= set(handle, OPTION_NO_SIGNAL, 1L);
  failed |= set(handle, OPTION_PROTOCOLS, (long)(PROTOCOL_HTTP | PROTOCOL_HTTPS));
  // Nobody may be led from a protected address to an unprotected one.
  long further = strncasecmp(request->url, "https:", 6) == 0 ? PROTOCOL_HTTPS : PROTOCOL_HTTP | PROTOCOL_HTTPS;
  failed |= set(handle, OPTION_REDIR_PROTOCOLS, further);
  failed |= set(handle, OPTION_FOLLOW_LOCATION, 1L);
  failed |= set(handle, OPTION_MAX_REDIRS, request->maximum_redirects);
  failed |= set(handle, OPTION_CONNECT_TIMEOUT, request->connect_seconds);
  failed |= set(handle, OPTION_LOW_SPEED_LIMIT, 1L);
  failed |= set(handle, OPTION_LOW_SPEED_TIME, request->stall_seconds);
  failed |= set(handle, OPTION_USER_AGENT, request->user_agent);
  if (headers) failed |= set(handle, OPTION_HTTP_HEADER, headers);
  if (request->range) failed |= set(handle, OPTION_RANGE, request->range);
  if (request->certificates) failed |= set(handle, OPTION_CA_INFO, request->certificates);
  if (request->body) {
    failed |= set(handle, OPTION_POST_FIELD_SIZE, (long)request->body_size);
    failed |= set(handle, OPTION_POST_FIELDS, request->body);
  }
  failed |= set(handle, OPTION_HEADER_FUNCTION, pass_header);
  failed |= set(handle, OPTION_HEADER_DATA, (void *)request);
  failed |= set(handle, OPTION_WRITE_FUNCTION, pass_data);
  failed |= set(handle, OPTION_WRITE_DATA, (void *)request);
  failed |= set(handle, OPTION_NO_PROGRESS, 0L);
  failed |= set(handle, OPTION_XFER_INFO_FUNCTION, pass_tick);
  failed |= set(handle, OPTION_XFER_INFO_DATA, (void *)request);
  int result = failed ? 48 : api->curl_easy_perform(handle);
  if (result != MT_CURL_OK && !message[0]) {
    snprintf(message, MT_CURL_MESSAGE_SIZE, "%s", failed ? "this libcurl is too old" : api->curl_easy_strerror(result));
  }
  api->curl_easy_getinfo(handle, INFO_RESPONSE_CODE, status);
  api->curl_easy_cleanup(handle);
  if (headers) api->curl_slist_free_all(headers);
  return result;
}

#include "openvino.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Structures of the C interface that are passed by value or filled in by the library.
typedef struct {
  const char *build_number;
  const char *description;
} version_record;

typedef struct {
  char **names;
  size_t count;
} device_list;

typedef struct {
  int64_t rank;
  int64_t *sizes;
} shape_record;

// Least and largest size; equal for one that is known.
typedef struct {
  int64_t least;
  int64_t largest;
} size_range;

typedef struct {
  size_range rank;
  size_range *sizes;
} partial_shape;

// Name in the library, result, parameters. Handles are opaque, statuses are ints in the ABI.
#define MT_FUNCTIONS(X)                                                                                               \
  X(ov_get_openvino_version, int, (version_record *))                                                                 \
  X(ov_version_free, void, (version_record *))                                                                        \
  X(ov_free, void, (const char *))                                                                                    \
  X(ov_core_create, int, (mt_ov_core **))                                                                             \
  X(ov_core_free, void, (mt_ov_core *))                                                                               \
  X(ov_core_get_available_devices, int, (const mt_ov_core *, device_list *))                                          \
  X(ov_available_devices_free, void, (device_list *))                                                                 \
  X(ov_core_get_property, int, (const mt_ov_core *, const char *, const char *, char **))                             \
  X(ov_core_set_property, int, (const mt_ov_core *, const char *, ...))                                               \
  X(ov_core_read_model_from_memory_buffer, int,                                                                       \
    (const mt_ov_core *, const char *, size_t, const mt_ov_tensor *, mt_ov_model **))                                 \
  X(ov_core_read_model, int, (const mt_ov_core *, const char *, const char *, mt_ov_model **))                        \
  X(ov_partial_shape_create_static, int, (int64_t, int64_t *, partial_shape *))                                       \
  X(ov_partial_shape_free, void, (partial_shape *))                                                                   \
  X(ov_model_reshape_single_input, int, (const mt_ov_model *, partial_shape))                                         \
  X(ov_model_free, void, (mt_ov_model *))                                                                             \
  X(ov_core_compile_model, int,                                                                                       \
    (const mt_ov_core *, const mt_ov_model *, const char *, size_t, mt_ov_compiled **, ...))                          \
  X(ov_core_import_model, int, (const mt_ov_core *, const char *, size_t, const char *, mt_ov_compiled **))           \
  X(ov_compiled_model_export_model, int, (const mt_ov_compiled *, const char *))                                      \
  X(ov_compiled_model_get_property, int, (const mt_ov_compiled *, const char *, char **))                             \
  X(ov_compiled_model_free, void, (mt_ov_compiled *))                                                                 \
  X(ov_compiled_model_create_infer_request, int, (const mt_ov_compiled *, mt_ov_request **))                          \
  X(ov_infer_request_free, void, (mt_ov_request *))                                                                   \
  X(ov_infer_request_start_async, int, (mt_ov_request *))                                                             \
  X(ov_infer_request_wait, int, (mt_ov_request *))                                                                    \
  X(ov_infer_request_get_input_tensor_by_index, int, (const mt_ov_request *, size_t, mt_ov_tensor **))                \
  X(ov_infer_request_get_output_tensor_by_index, int, (const mt_ov_request *, size_t, mt_ov_tensor **))               \
  X(ov_tensor_create, int, (int, shape_record, mt_ov_tensor **))                                                      \
  X(ov_tensor_create_from_host_ptr, int, (int, shape_record, void *, mt_ov_tensor **))                                \
  X(ov_tensor_get_byte_size, int, (const mt_ov_tensor *, size_t *))                                                   \
  X(ov_tensor_get_shape, int, (const mt_ov_tensor *, shape_record *))                                                 \
  X(ov_tensor_data, int, (const mt_ov_tensor *, void **))                                                             \
  X(ov_tensor_free, void, (mt_ov_tensor *))                                                                           \
  X(ov_shape_free, int, (shape_record *))                                                                             \
  X(ov_get_error_info, const char *, (int))

struct mt_openvino {
#define MT_FIELD(name, result, parameters) result(*name) parameters;
  MT_FUNCTIONS(MT_FIELD)
  // Only in releases that keep the message of the last error; may be null.
  const char *(*ov_get_last_err_msg)(void);
};

const mt_openvino *mt_openvino_bind(void *library, const char **missing) {
  mt_openvino *api = calloc(1, sizeof *api);
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
  *(void **)&api->ov_get_last_err_msg = dlsym(library, "ov_get_last_err_msg");
  return api;
}

const char *mt_openvino_error(const mt_openvino *api, int status) {
  const char *message = api->ov_get_last_err_msg ? api->ov_get_last_err_msg() : NULL;
  if (message && *message) return message;
  message = api->ov_get_error_info(status);
  return message ? message : "unknown error";
}

// Copies a string that the library has allocated and frees it.
static void take(const mt_openvino *api, char *text, char *buffer, size_t size) {
  snprintf(buffer, size, "%s", text ? text : "");
  if (text) api->ov_free(text);
}

int mt_openvino_version(const mt_openvino *api, char *buffer, size_t size) {
  version_record version = {0};
  int status = api->ov_get_openvino_version(&version);
  if (status != 0) return status;
  snprintf(buffer, size, "%s", version.build_number ? version.build_number : "");
  api->ov_version_free(&version);
  return 0;
}

int mt_openvino_core_create(const mt_openvino *api, mt_ov_core **core) { return api->ov_core_create(core); }

void mt_openvino_core_free(const mt_openvino *api, mt_ov_core *core) { api->ov_core_free(core); }

int mt_openvino_devices(const mt_openvino *api, mt_ov_core *core, void (*visit)(const char *name, void *context),
                        void *context) {
  device_list devices = {0};
  int status = api->ov_core_get_available_devices(core, &devices);
  if (status != 0) return status;
  for (size_t index = 0; index < devices.count; index++) visit(devices.names[index], context);
  api->ov_available_devices_free(&devices);
  return 0;
}

int mt_openvino_core_property(const mt_openvino *api, mt_ov_core *core, const char *device, const char *key,
                              char *buffer, size_t size) {
  char *value = NULL;
  int status = api->ov_core_get_property(core, device, key, &value);
  if (status == 0) take(api, value, buffer, size);
  return status;
}

int mt_openvino_core_set_property(const mt_openvino *api, mt_ov_core *core, const char *device, const char *key,
                                  const char *value) {
  return api->ov_core_set_property(core, device, key, value);
}

int mt_openvino_read_model(const mt_openvino *api, mt_ov_core *core, const char *text, size_t length, void *weights,
                           size_t weights_size, mt_ov_model **model) {
  // The numbers of the element types have changed between releases (4 was F16 and is F32 now). Only the size in bytes
  // matters here: take a type that exists in all of them and ask how large its elements are.
  const int any_type = 4;
  int64_t one = 1;
  mt_ov_tensor *tensor = NULL;
  size_t element_size = 0;
  int status = api->ov_tensor_create(any_type, (shape_record){1, &one}, &tensor);
  if (status != 0) return status;
  status = api->ov_tensor_get_byte_size(tensor, &element_size);
  api->ov_tensor_free(tensor);
  if (status != 0) return status;
  if (element_size == 0) return -1;

  int64_t count = (int64_t)(weights_size / element_size);
  tensor = NULL;
  status = api->ov_tensor_create_from_host_ptr(any_type, (shape_record){1, &count}, weights, &tensor);
  if (status != 0) return status;
  status = api->ov_core_read_model_from_memory_buffer(core, text, length, tensor, model);
  api->ov_tensor_free(tensor);
  return status;
}

int mt_openvino_read_file(const mt_openvino *api, mt_ov_core *core, const char *path, const int64_t *sizes, size_t rank,
                          mt_ov_model **model) {
  int64_t copy[8];
  if (rank > sizeof copy / sizeof *copy) return -14;
  memcpy(copy, sizes, rank * sizeof *copy);
  int status = api->ov_core_read_model(core, path, NULL, model);
  if (status != 0) return status;
  partial_shape shape = {{0}};
  status = api->ov_partial_shape_create_static((int64_t)rank, copy, &shape);
  if (status == 0) {
    status = api->ov_model_reshape_single_input(*model, shape);
    api->ov_partial_shape_free(&shape);
  }
  if (status != 0) {
    api->ov_model_free(*model);
    *model = NULL;
  }
  return status;
}

void mt_openvino_model_free(const mt_openvino *api, mt_ov_model *model) { api->ov_model_free(model); }

int mt_openvino_compile(const mt_openvino *api, mt_ov_core *core, const mt_ov_model *model, const char *device,
                        const char *const *keys, const char *const *values, size_t count, mt_ov_compiled **compiled) {
  const char *list[2 * MT_OPENVINO_MAXIMUM_PROPERTIES] = {0};
  if (count > MT_OPENVINO_MAXIMUM_PROPERTIES) return -14;
  for (size_t index = 0; index < count; index++) {
    list[2 * index] = keys[index];
    list[2 * index + 1] = values[index];
  }
  // The library reads as many arguments as it is told; those beyond are not looked at.
  return api->ov_core_compile_model(core, model, device, 2 * count, compiled, list[0], list[1], list[2], list[3],
                                    list[4], list[5], list[6], list[7], list[8], list[9], list[10], list[11], list[12],
                                    list[13], list[14], list[15]);
}

int mt_openvino_import(const mt_openvino *api, mt_ov_core *core, const char *content, size_t size, const char *device,
                       mt_ov_compiled **compiled) {
  return api->ov_core_import_model(core, content, size, device, compiled);
}

int mt_openvino_export(const mt_openvino *api, const mt_ov_compiled *compiled, const char *path) {
  return api->ov_compiled_model_export_model(compiled, path);
}

int mt_openvino_compiled_property(const mt_openvino *api, const mt_ov_compiled *compiled, const char *key,
                                  char *buffer, size_t size) {
  char *value = NULL;
  int status = api->ov_compiled_model_get_property(compiled, key, &value);
  if (status == 0) take(api, value, buffer, size);
  return status;
}

void mt_openvino_compiled_free(const mt_openvino *api, mt_ov_compiled *compiled) {
  api->ov_compiled_model_free(compiled);
}

int mt_openvino_request_create(const mt_openvino *api, const mt_ov_compiled *compiled, mt_ov_request **request) {
  return api->ov_compiled_model_create_infer_request(compiled, request);
}

void mt_openvino_request_free(const mt_openvino *api, mt_ov_request *request) { api->ov_infer_request_free(request); }

int mt_openvino_request_start(const mt_openvino *api, mt_ov_request *request) {
  return api->ov_infer_request_start_async(request);
}

int mt_openvino_request_wait(const mt_openvino *api, mt_ov_request *request) {
  return api->ov_infer_request_wait(request);
}

int mt_openvino_request_input(const mt_openvino *api, const mt_ov_request *request, mt_ov_tensor **tensor) {
  return api->ov_infer_request_get_input_tensor_by_index(request, 0, tensor);
}

int mt_openvino_request_output(const mt_openvino *api, const mt_ov_request *request, size_t index,
                               mt_ov_tensor **tensor) {
  return api->ov_infer_request_get_output_tensor_by_index(request, index, tensor);
}

void mt_openvino_tensor_free(const mt_openvino *api, mt_ov_tensor *tensor) { api->ov_tensor_free(tensor); }

int mt_openvino_tensor_data(const mt_openvino *api, const mt_ov_tensor *tensor, void **data, size_t *byte_size) {
  int status = api->ov_tensor_get_byte_size(tensor, byte_size);
  return status != 0 ? status : api->ov_tensor_data(tensor, data);
}

int mt_openvino_tensor_shape(const mt_openvino *api, const mt_ov_tensor *tensor, int64_t *sizes, size_t capacity,
                             size_t *rank) {
  shape_record shape = {0};
  int status = api->ov_tensor_get_shape(tensor, &shape);
  if (status != 0) return status;
  *rank = shape.rank < 0 ? 0 : (size_t)shape.rank;
  for (size_t axis = 0; axis < *rank && axis < capacity; axis++) sizes[axis] = shape.sizes[axis];
  api->ov_shape_free(&shape);
  return 0;
}

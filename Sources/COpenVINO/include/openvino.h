// The part of OpenVINO's C interface (docs.openvino.ai, "OpenVINO Runtime C API") that Microtome uses, bound at run time.
//
// Nothing here links against OpenVINO: `mt_openvino_bind` looks the functions up in a library that was opened before.
// The wrappers exist because Swift cannot call variadic C functions, and so that Swift sees no function pointers that
// might be null. All of them return a status, 0 for success, and are only called after a successful bind.
#ifndef MICROTOME_OPENVINO_H
#define MICROTOME_OPENVINO_H

#include <stddef.h>
#include <stdint.h>

typedef struct mt_openvino mt_openvino;

typedef struct mt_ov_core mt_ov_core;
typedef struct mt_ov_model mt_ov_model;
typedef struct mt_ov_compiled mt_ov_compiled;
typedef struct mt_ov_request mt_ov_request;
typedef struct mt_ov_tensor mt_ov_tensor;

/// The most properties one call of `mt_openvino_compile` takes.
#define MT_OPENVINO_MAXIMUM_PROPERTIES 8

/// Finds the functions in an open library. Returns NULL when one is missing and stores its name in `missing`.
/// The table is never freed: the library it belongs to stays open as well.
const mt_openvino *mt_openvino_bind(void *library, const char **missing);

/// What the last failed call had to say, or a name for `status` where it said nothing. Never NULL; copy it at once.
const char *mt_openvino_error(const mt_openvino *api, int status);

/// Copies the library's build number ("2026.4.1-22982-...") to `buffer`, cut off after `size - 1` bytes.
int mt_openvino_version(const mt_openvino *api, char *buffer, size_t size);

int mt_openvino_core_create(const mt_openvino *api, mt_ov_core **core);
void mt_openvino_core_free(const mt_openvino *api, mt_ov_core *core);

/// Calls `visit` for every device the core can use.
int mt_openvino_devices(const mt_openvino *api, mt_ov_core *core, void (*visit)(const char *name, void *context),
                        void *context);
/// Copies a property of a device to `buffer`, cut off after `size - 1` bytes.
int mt_openvino_core_property(const mt_openvino *api, mt_ov_core *core, const char *device, const char *key,
                              char *buffer, size_t size);
int mt_openvino_core_set_property(const mt_openvino *api, mt_ov_core *core, const char *device, const char *key,
                                  const char *value);

/// Reads a model from `text` (an IR document without its end mark) whose constants lie in `weights`.
/// The weights are not copied: they must live as long as the model and everything compiled from it.
int mt_openvino_read_model(const mt_openvino *api, mt_ov_core *core, const char *text, size_t length, void *weights,
                           size_t weights_size, mt_ov_model **model);
/// Reads the model of a file in a format that the library knows (ONNX among them) and fixes the shape of its only input.
int mt_openvino_read_file(const mt_openvino *api, mt_ov_core *core, const char *path, const int64_t *sizes, size_t rank,
                          mt_ov_model **model);
void mt_openvino_model_free(const mt_openvino *api, mt_ov_model *model);

/// Compiles with up to MT_OPENVINO_MAXIMUM_PROPERTIES properties.
int mt_openvino_compile(const mt_openvino *api, mt_ov_core *core, const mt_ov_model *model, const char *device,
                        const char *const *keys, const char *const *values, size_t count, mt_ov_compiled **compiled);
int mt_openvino_import(const mt_openvino *api, mt_ov_core *core, const char *content, size_t size, const char *device,
                       mt_ov_compiled **compiled);
int mt_openvino_export(const mt_openvino *api, const mt_ov_compiled *compiled, const char *path);
int mt_openvino_compiled_property(const mt_openvino *api, const mt_ov_compiled *compiled, const char *key,
                                  char *buffer, size_t size);
void mt_openvino_compiled_free(const mt_openvino *api, mt_ov_compiled *compiled);

int mt_openvino_request_create(const mt_openvino *api, const mt_ov_compiled *compiled, mt_ov_request **request);
void mt_openvino_request_free(const mt_openvino *api, mt_ov_request *request);
int mt_openvino_request_start(const mt_openvino *api, mt_ov_request *request);
int mt_openvino_request_wait(const mt_openvino *api, mt_ov_request *request);
/// The tensor that the request reads from or writes to; to be freed by the caller, which leaves the memory alone.
int mt_openvino_request_input(const mt_openvino *api, const mt_ov_request *request, mt_ov_tensor **tensor);
int mt_openvino_request_output(const mt_openvino *api, const mt_ov_request *request, size_t index,
                               mt_ov_tensor **tensor);

void mt_openvino_tensor_free(const mt_openvino *api, mt_ov_tensor *tensor);
int mt_openvino_tensor_data(const mt_openvino *api, const mt_ov_tensor *tensor, void **data, size_t *byte_size);
/// Copies at most `capacity` axis sizes to `sizes` and the number of axes to `rank`.
int mt_openvino_tensor_shape(const mt_openvino *api, const mt_ov_tensor *tensor, int64_t *sizes, size_t capacity,
                             size_t *rank);

#endif

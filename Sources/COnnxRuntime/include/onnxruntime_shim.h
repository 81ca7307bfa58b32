// The part of ONNX Runtime's C interface (onnxruntime.ai, "C API") that Microtome uses, bound at run time.
//
// The library exports one function, which hands out a table of function pointers. The table is versioned and only ever
// grows at its end, so the place of a function in it is fixed for good; the few places used are named in the source.
// All functions here return NULL for success, or a status that `mt_ort_message` consumes.
#ifndef MICROTOME_ONNXRUNTIME_H
#define MICROTOME_ONNXRUNTIME_H

#include <stddef.h>
#include <stdint.h>

typedef struct mt_onnxruntime mt_onnxruntime;

typedef struct mt_ort_status mt_ort_status;
typedef struct mt_ort_environment mt_ort_environment;
typedef struct mt_ort_options mt_ort_options;
typedef struct mt_ort_session mt_ort_session;
typedef struct mt_ort_value mt_ort_value;

/// Takes the table out of an open library. Returns NULL when there is none of the needed version, and then says in
/// `version` which library it is, or leaves it NULL when it is no ONNX Runtime.
const mt_onnxruntime *mt_ort_bind(void *library, const char **version);

/// "1.31.1"
const char *mt_ort_version(const mt_onnxruntime *api);

/// Copies what a status says to `buffer`, cut off after `size - 1` bytes, and frees the status.
void mt_ort_message(const mt_onnxruntime *api, mt_ort_status *status, char *buffer, size_t size);

/// One for a process is enough. Nothing is reported to anybody.
mt_ort_status *mt_ort_environment_create(const mt_onnxruntime *api, mt_ort_environment **environment);

/// Calls `visit` for every provider the library was built with ("CPUExecutionProvider", ...).
mt_ort_status *mt_ort_providers(const mt_onnxruntime *api, void (*visit)(const char *name, void *context),
                                void *context);

/// How a session is to be set up: all of the library's optimisations, `threads` threads within an operation.
///
/// - keeps_memory: Whether the library keeps freed memory for its next run.
mt_ort_status *mt_ort_options_create(const mt_onnxruntime *api, int threads, int keeps_memory,
                                     mt_ort_options **options);
void mt_ort_options_free(const mt_onnxruntime *api, mt_ort_options *options);
mt_ort_status *mt_ort_options_set(const mt_onnxruntime *api, mt_ort_options *options, const char *key,
                                  const char *value);
/// Gives an axis, which the model only gives a name, its size.
mt_ort_status *mt_ort_options_set_axis(const mt_onnxruntime *api, mt_ort_options *options, const char *name,
                                       int64_t size);
/// Lets "CUDA", "TensorRT" or "CoreML" compute what it can; the rest is left to the processor.
mt_ort_status *mt_ort_options_add_provider(const mt_onnxruntime *api, mt_ort_options *options, const char *name,
                                           const char *const *keys, const char *const *values, size_t count);

/// Prepares a model: that of the file `path`, or when `path` is NULL that of the bytes.
mt_ort_status *mt_ort_session_create(const mt_onnxruntime *api, const mt_ort_environment *environment,
                                     const mt_ort_options *options, const char *path, const void *bytes,
                                     size_t byte_count, mt_ort_session **session);
void mt_ort_session_free(const mt_onnxruntime *api, mt_ort_session *session);

/// A float32 tensor in memory that stays the caller's and must outlive it.
mt_ort_status *mt_ort_tensor_create(const mt_onnxruntime *api, float *data, size_t count, const int64_t *shape,
                                    size_t rank, mt_ort_value **value);
void mt_ort_value_free(const mt_onnxruntime *api, mt_ort_value *value);

/// Runs the model from `input` into `outputs`, which have their memory already.
mt_ort_status *mt_ort_run(const mt_onnxruntime *api, mt_ort_session *session, const char *input_name,
                          const mt_ort_value *input, const char *const *output_names, size_t output_count,
                          mt_ort_value **outputs);

#endif

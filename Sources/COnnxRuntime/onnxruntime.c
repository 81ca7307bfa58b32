#include "onnxruntime_shim.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Version 12 of the table came with release 1.12 and has everything that is used.
enum { API_VERSION = 12 };

typedef struct {
  const void *(*table)(uint32_t version);
  const char *(*version)(void);
} api_base;

typedef mt_ort_status status;
typedef mt_ort_options session_options;
typedef struct memory_info memory_info;
typedef struct provider_options provider_options;

// Place in the table, name, result, parameters. Enumerations are ints in the ABI.
#define MT_FUNCTIONS(X)                                                                                               \
  X(2, GetErrorMessage, const char *, (const status *))                                                               \
  X(3, CreateEnv, status *, (int, const char *, mt_ort_environment **))                                               \
  X(6, DisableTelemetryEvents, status *, (const mt_ort_environment *))                                                \
  X(7, CreateSession, status *,                                                                                       \
    (const mt_ort_environment *, const char *, const session_options *, mt_ort_session **))                           \
  X(8, CreateSessionFromArray, status *,                                                                              \
    (const mt_ort_environment *, const void *, size_t, const session_options *, mt_ort_session **))                   \
  X(9, Run, status *,                                                                                                 \
    (mt_ort_session *, const void *, const char *const *, const mt_ort_value *const *, size_t, const char *const *,   \
     size_t, mt_ort_value **))                                                                                        \
  X(10, CreateSessionOptions, status *, (session_options **))                                                         \
  X(19, DisableCpuMemArena, status *, (session_options *))                                                            \
  X(22, SetSessionLogSeverityLevel, status *, (session_options *, int))                                               \
  X(23, SetSessionGraphOptimizationLevel, status *, (session_options *, int))                                         \
  X(24, SetIntraOpNumThreads, status *, (session_options *, int))                                                     \
  X(49, CreateTensorWithDataAsOrtValue, status *,                                                                     \
    (const memory_info *, void *, size_t, const int64_t *, size_t, int, mt_ort_value **))                             \
  X(69, CreateCpuMemoryInfo, status *, (int, int, memory_info **))                                                    \
  X(93, ReleaseStatus, void, (status *))                                                                              \
  X(94, ReleaseMemoryInfo, void, (memory_info *))                                                                     \
  X(95, ReleaseSession, void, (mt_ort_session *))                                                                     \
  X(96, ReleaseValue, void, (mt_ort_value *))                                                                         \
  X(100, ReleaseSessionOptions, void, (session_options *))                                                            \
  X(124, AddFreeDimensionOverrideByName, status *, (session_options *, const char *, int64_t))                        \
  X(125, GetAvailableProviders, status *, (char ***, int *))                                                          \
  X(126, ReleaseAvailableProviders, status *, (char **, int))                                                         \
  X(130, AddSessionConfigEntry, status *, (session_options *, const char *, const char *))                            \
  X(170, SessionOptionsAppendExecutionProvider_TensorRT_V2, status *, (session_options *, const provider_options *))  \
  X(171, CreateTensorRTProviderOptions, status *, (provider_options **))                                              \
  X(172, UpdateTensorRTProviderOptions, status *,                                                                     \
    (provider_options *, const char *const *, const char *const *, size_t))                                           \
  X(174, ReleaseTensorRTProviderOptions, void, (provider_options *))                                                  \
  X(204, SessionOptionsAppendExecutionProvider_CUDA_V2, status *, (session_options *, const provider_options *))      \
  X(205, CreateCUDAProviderOptions, status *, (provider_options **))                                                  \
  X(206, UpdateCUDAProviderOptions, status *,                                                                         \
    (provider_options *, const char *const *, const char *const *, size_t))                                           \
  X(208, ReleaseCUDAProviderOptions, void, (provider_options *))                                                      \
  X(216, SessionOptionsAppendExecutionProvider, status *,                                                             \
    (session_options *, const char *, const char *const *, const char *const *, size_t))

struct mt_onnxruntime {
  const char *version;
#define MT_FIELD(place, name, result, parameters) result(*name) parameters;
  MT_FUNCTIONS(MT_FIELD)
};

const mt_onnxruntime *mt_ort_bind(void *library, const char **version) {
  *version = NULL;
  const api_base *(*get)(void) = NULL;
  *(void **)&get = dlsym(library, "OrtGetApiBase");
  const api_base *base = get ? get() : NULL;
  if (!base) return NULL;
  *version = base->version();
  // An old library refuses a version that it does not know, on standard error too.
  int major = 0, minor = 0;
  if (sscanf(*version, "%d.%d", &major, &minor) != 2 || (major == 1 && minor < API_VERSION)) return NULL;
  void *const *table = base->table(API_VERSION);
  mt_onnxruntime *api = table ? calloc(1, sizeof *api) : NULL;
  if (!api) return NULL;
  api->version = *version;
#define MT_TAKE(place, name, result, parameters) *(void **)&api->name = table[place];
  MT_FUNCTIONS(MT_TAKE)
  return api;
}

const char *mt_ort_version(const mt_onnxruntime *api) { return api->version; }

void mt_ort_message(const mt_onnxruntime *api, mt_ort_status *status, char *buffer, size_t size) {
  if (!status) return;
  const char *message = api->GetErrorMessage(status);
  snprintf(buffer, size, "%s", message ? message : "unknown error");
  api->ReleaseStatus(status);
}

mt_ort_status *mt_ort_environment_create(const mt_onnxruntime *api, mt_ort_environment **environment) {
  const int errors_only = 3;
  status *failure = api->CreateEnv(errors_only, "microtome", environment);
  return failure ? failure : api->DisableTelemetryEvents(*environment);
}

mt_ort_status *mt_ort_providers(const mt_onnxruntime *api, void (*visit)(const char *name, void *context),
                                void *context) {
  char **names = NULL;
  int count = 0;
  status *failure = api->GetAvailableProviders(&names, &count);
  if (failure) return failure;
  for (int index = 0; index < count; index++) visit(names[index], context);
  return api->ReleaseAvailableProviders(names, count);
}

mt_ort_status *mt_ort_options_create(const mt_onnxruntime *api, int threads, int keeps_memory,
                                     mt_ort_options **options) {
  const int everything = 99;
  // Failures come back as statuses; what is written beside them on standard error would only repeat them.
  const int fatal_only = 4;
  status *failure = api->CreateSessionOptions(options);
  if (failure) return failure;
  failure = api->SetSessionLogSeverityLevel(*options, fatal_only);
  if (!failure) failure = api->SetSessionGraphOptimizationLevel(*options, everything);
  if (!failure) failure = api->SetIntraOpNumThreads(*options, threads);
  if (!failure && !keeps_memory) failure = api->DisableCpuMemArena(*options);
  if (failure) {
    api->ReleaseSessionOptions(*options);
    *options = NULL;
  }
  return failure;
}

void mt_ort_options_free(const mt_onnxruntime *api, mt_ort_options *options) { api->ReleaseSessionOptions(options); }

mt_ort_status *mt_ort_options_set(const mt_onnxruntime *api, mt_ort_options *options, const char *key,
                                  const char *value) {
  return api->AddSessionConfigEntry(options, key, value);
}

mt_ort_status *mt_ort_options_set_axis(const mt_onnxruntime *api, mt_ort_options *options, const char *name,
                                       int64_t size) {
  return api->AddFreeDimensionOverrideByName(options, name, size);
}

mt_ort_status *mt_ort_options_add_provider(const mt_onnxruntime *api, mt_ort_options *options, const char *name,
                                           const char *const *keys, const char *const *values, size_t count) {
  int is_cuda = strcmp(name, "CUDA") == 0;
  if (!is_cuda && strcmp(name, "TensorRT") != 0)
    return api->SessionOptionsAppendExecutionProvider(options, name, keys, values, count);
  // The two providers of NVIDIA's processors have options of types of their own, with the same life.
  provider_options *own = NULL;
  status *failure = is_cuda ? api->CreateCUDAProviderOptions(&own) : api->CreateTensorRTProviderOptions(&own);
  if (failure) return failure;
  failure = (is_cuda ? api->UpdateCUDAProviderOptions : api->UpdateTensorRTProviderOptions)(own, keys, values, count);
  if (!failure)
    failure = (is_cuda ? api->SessionOptionsAppendExecutionProvider_CUDA_V2
                       : api->SessionOptionsAppendExecutionProvider_TensorRT_V2)(options, own);
  (is_cuda ? api->ReleaseCUDAProviderOptions : api->ReleaseTensorRTProviderOptions)(own);
  return failure;
}

mt_ort_status *mt_ort_session_create(const mt_onnxruntime *api, const mt_ort_environment *environment,
                                     const mt_ort_options *options, const char *path, const void *bytes,
                                     size_t byte_count, mt_ort_session **session) {
  return path ? api->CreateSession(environment, path, options, session)
              : api->CreateSessionFromArray(environment, bytes, byte_count, options, session);
}

void mt_ort_session_free(const mt_onnxruntime *api, mt_ort_session *session) { api->ReleaseSession(session); }

mt_ort_status *mt_ort_tensor_create(const mt_onnxruntime *api, float *data, size_t count, const int64_t *shape,
                                    size_t rank, mt_ort_value **value) {
  const int device_allocator = 0, default_memory = 0, float32 = 1;
  memory_info *memory = NULL;
  status *failure = api->CreateCpuMemoryInfo(device_allocator, default_memory, &memory);
  if (failure) return failure;
  failure = api->CreateTensorWithDataAsOrtValue(memory, data, count * sizeof *data, shape, rank, float32, value);
  api->ReleaseMemoryInfo(memory);
  return failure;
}

void mt_ort_value_free(const mt_onnxruntime *api, mt_ort_value *value) { api->ReleaseValue(value); }

mt_ort_status *mt_ort_run(const mt_onnxruntime *api, mt_ort_session *session, const char *input_name,
                          const mt_ort_value *input, const char *const *output_names, size_t output_count,
                          mt_ort_value **outputs) {
  return api->Run(session, NULL, &input_name, &input, 1, output_names, output_count, outputs);
}

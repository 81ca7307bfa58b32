#include "torch.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>

#ifdef __GLIBC__
#include <malloc.h>
#include <sys/mman.h>
#endif

typedef void (*range_function)(int64_t, int64_t, void *);

// The functions used, in the library's own names: X(name, result, parameters).
#define MT_FUNCTIONS(X)                                                                                               \
  X(torch_call_dispatcher, int, (const char *, const char *, mt_value *, uint64_t))                                   \
  X(torch_new_list_reserve_size, int, (size_t, void **))                                                              \
  X(torch_list_push_back, int, (void *, mt_value))                                                                    \
  X(torch_parallel_for, int, (int64_t, int64_t, int64_t, range_function, void *))                                     \
  X(torch_get_num_threads, int, (uint32_t *))                                                                         \
  X(aoti_torch_device_type_cpu, int32_t, (void))                                                                      \
  X(aoti_torch_device_type_cuda, int32_t, (void))                                                                     \
  X(aoti_torch_device_type_mps, int32_t, (void))                                                                      \
  X(aoti_torch_dtype_float32, int32_t, (void))                                                                        \
  X(aoti_torch_dtype_float16, int32_t, (void))                                                                        \
  X(aoti_torch_dtype_bfloat16, int32_t, (void))                                                                       \
  X(aoti_torch_dtype_float64, int32_t, (void))                                                                        \
  X(aoti_torch_dtype_int16, int32_t, (void))                                                                          \
  X(aoti_torch_dtype_int64, int32_t, (void))                                                                          \
  X(aoti_torch_empty_strided, int,                                                                                    \
    (int64_t, const int64_t *, const int64_t *, int32_t, int32_t, int32_t, mt_tensor **))                             \
  X(aoti_torch_create_tensor_from_blob, int,                                                                          \
    (void *, int64_t, const int64_t *, const int64_t *, int64_t, int32_t, int32_t, int32_t, mt_tensor **))            \
  X(aoti_torch__reinterpret_tensor, int,                                                                              \
    (mt_tensor *, int64_t, const int64_t *, const int64_t *, int64_t, mt_tensor **))                                  \
  X(aoti_torch_delete_tensor_object, int, (mt_tensor *))                                                              \
  X(aoti_torch_new_tensor_handle, int, (mt_tensor *, mt_tensor **))                                                   \
  X(aoti_torch_get_data_ptr, int, (mt_tensor *, void **))                                                             \
  X(aoti_torch_get_dim, int, (mt_tensor *, int64_t *))                                                                \
  X(aoti_torch_get_sizes, int, (mt_tensor *, int64_t **))                                                             \
  X(aoti_torch_get_strides, int, (mt_tensor *, int64_t **))                                                           \
  X(aoti_torch_copy_, int, (mt_tensor *, mt_tensor *, int32_t))                                                       \
  X(aoti_torch_zero_, int, (mt_tensor *))                                                                             \
  X(aoti_torch_item_float32, int, (mt_tensor *, float *))                                                             \
  X(aoti_torch_grad_mode_set_enabled, void, (bool))

typedef int (*add_function)(mt_tensor *, mt_tensor *, double, mt_tensor **);

struct mt_torch {
#define MT_FIELD(name, result, parameters) result(*name) parameters;
  MT_FUNCTIONS(MT_FIELD)
  // By device; null where the library for it has not been opened.
  add_function add[3];
  // Only in later releases; may be null.
  const char *(*torch_exception_get_what_without_backtrace)(void);
  int (*torch_new_stable_ivalue)(mt_value **);
  int (*aoti_torch_empty_strided_pinned)(int64_t, const int64_t *, const int64_t *, int32_t, int32_t, int32_t,
                                         mt_tensor **);
  // Not part of the stable interface; may be null.
  void (*set_threads)(int);
  void *(*global_context)(void);
  void (*set_benchmark)(void *, bool);
};

// The interface that the arguments of operators are made for.
static const uint64_t built_for = (2ull << 56) | (10ull << 48);

mt_torch *mt_torch_bind(void *library, const char **missing) {
  mt_torch *api = calloc(1, sizeof *api);
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
  *(void **)&api->torch_exception_get_what_without_backtrace =
      dlsym(library, "torch_exception_get_what_without_backtrace");
  *(void **)&api->torch_new_stable_ivalue = dlsym(library, "torch_new_stable_ivalue");
  *(void **)&api->aoti_torch_empty_strided_pinned = dlsym(library, "aoti_torch_empty_strided_pinned");
  // As C++ compilers spell at::set_num_threads(int), at::globalContext() and at::Context::setBenchmarkCuDNN(bool). The
  // environment is too late once the library is open.
  *(void **)&api->set_threads = dlsym(library, "_ZN2at15set_num_threadsEi");
  *(void **)&api->global_context = dlsym(library, "_ZN2at13globalContextEv");
  *(void **)&api->set_benchmark = dlsym(library, "_ZN2at7Context17setBenchmarkCuDNNEb");
  if (mt_torch_bind_device(api, library, MT_TORCH_CPU) != 0) {
    *missing = "aoti_torch_cpu_add_Tensor";
    free(api);
    return NULL;
  }
  return api;
}

int mt_torch_bind_device(mt_torch *api, void *library, int device) {
  static const char *const names[] = {
      "aoti_torch_cpu_add_Tensor", "aoti_torch_cuda_add_Tensor", "aoti_torch_mps_add_Tensor"};
  *(void **)&api->add[device] = dlsym(library, names[device]);
  return api->add[device] ? 0 : -1;
}

uint64_t mt_torch_version(void *library) {
  uint64_t (*version)(void);
  *(void **)&version = dlsym(library, "aoti_torch_abi_version");
  return version ? version() : 0;
}

const char *mt_torch_error(const mt_torch *api) {
  const char *text =
      api->torch_exception_get_what_without_backtrace ? api->torch_exception_get_what_without_backtrace() : NULL;
  return text ? text : "";
}

static int32_t element_type(const mt_torch *api, int element) {
  switch (element) {
    case MT_TORCH_FLOAT16: return api->aoti_torch_dtype_float16();
    case MT_TORCH_BFLOAT16: return api->aoti_torch_dtype_bfloat16();
    case MT_TORCH_FLOAT64: return api->aoti_torch_dtype_float64();
    case MT_TORCH_INT16: return api->aoti_torch_dtype_int16();
    case MT_TORCH_INT64: return api->aoti_torch_dtype_int64();
    default: return api->aoti_torch_dtype_float32();
  }
}

static int32_t device_type(const mt_torch *api, int device) {
  return device == MT_TORCH_CUDA  ? api->aoti_torch_device_type_cuda()
         : device == MT_TORCH_MPS ? api->aoti_torch_device_type_mps()
                                  : api->aoti_torch_device_type_cpu();
}

int mt_torch_empty(const mt_torch *api, int64_t rank, const int64_t *sizes, const int64_t *strides, int element,
                   int device, int32_t index, mt_tensor **tensor) {
  return api->aoti_torch_empty_strided(rank, sizes, strides, element_type(api, element), device_type(api, device),
                                       index, tensor);
}

int mt_torch_empty_pinned(const mt_torch *api, int64_t count, mt_tensor **tensor) {
  const int64_t stride = 1;
  if (!api->aoti_torch_empty_strided_pinned) return -1;
  return api->aoti_torch_empty_strided_pinned(1, &count, &stride, api->aoti_torch_dtype_float32(),
                                              api->aoti_torch_device_type_cpu(), 0, tensor);
}

int mt_torch_view(const mt_torch *api, void *data, int64_t rank, const int64_t *sizes, const int64_t *strides,
                  int element, mt_tensor **tensor) {
  return api->aoti_torch_create_tensor_from_blob(data, rank, sizes, strides, 0, element_type(api, element),
                                                 api->aoti_torch_device_type_cpu(), 0, tensor);
}

int mt_torch_part(const mt_torch *api, mt_tensor *tensor, int64_t rank, const int64_t *sizes, const int64_t *strides,
                  int64_t offset, mt_tensor **part) {
  return api->aoti_torch__reinterpret_tensor(tensor, rank, sizes, strides, offset, part);
}

void mt_torch_free(const mt_torch *api, mt_tensor *tensor) { api->aoti_torch_delete_tensor_object(tensor); }

int mt_torch_data(const mt_torch *api, mt_tensor *tensor, void **data) {
  return api->aoti_torch_get_data_ptr(tensor, data);
}

int mt_torch_layout(const mt_torch *api, mt_tensor *tensor, int64_t *rank, const int64_t **sizes,
                    const int64_t **strides) {
  int64_t *values = NULL;
  int status = api->aoti_torch_get_dim(tensor, rank);
  if (status == 0) status = api->aoti_torch_get_sizes(tensor, &values);
  *sizes = values;
  if (status == 0) status = api->aoti_torch_get_strides(tensor, &values);
  *strides = values;
  return status;
}

int mt_torch_copy(const mt_torch *api, mt_tensor *to, mt_tensor *from, int waits) {
  return api->aoti_torch_copy_(to, from, !waits);
}

int mt_torch_zero(const mt_torch *api, mt_tensor *tensor) { return api->aoti_torch_zero_(tensor); }

int mt_torch_item(const mt_torch *api, mt_tensor *tensor, float *value) {
  return api->aoti_torch_item_float32(tensor, value);
}

int mt_torch_add(const mt_torch *api, int device, mt_tensor *one, mt_tensor *other, double factor, mt_tensor **sum) {
  return api->add[device] ? api->add[device](one, other, factor, sum) : -1;
}

int mt_torch_argument(const mt_torch *api, mt_tensor *tensor, mt_value *value) {
  mt_tensor *again = NULL;
  int status = api->aoti_torch_new_tensor_handle(tensor, &again);
  *value = (mt_value)(uintptr_t)again;
  return status;
}

int mt_torch_list(const mt_torch *api, const mt_value *values, size_t count, mt_value *list) {
  void *handle = NULL;
  int status = api->torch_new_list_reserve_size(count, &handle);
  for (size_t index = 0; index < count && status == 0; index++) {
    status = api->torch_list_push_back(handle, values[index]);
  }
  *list = (mt_value)(uintptr_t)handle;
  return status;
}

int mt_torch_some(const mt_torch *api, mt_value content, mt_value *value) {
  mt_value *cell = NULL;
  // Releases before 2.13 have no function for it; they give the cell back with C++'s delete, which is free here.
  if (api->torch_new_stable_ivalue) {
    int status = api->torch_new_stable_ivalue(&cell);
    if (status != 0) return status;
  } else {
    cell = malloc(sizeof *cell);
  }
  if (!cell) return -1;
  *cell = content;
  *value = (mt_value)(uintptr_t)cell;
  return 0;
}

int mt_torch_call(const mt_torch *api, const char *operation, const char *overload, mt_value *stack) {
  // The library's own differentiation would only cost time; the setting belongs to the thread.
  api->aoti_torch_grad_mode_set_enabled(false);
  return api->torch_call_dispatcher(operation, overload, stack, built_for);
}

int mt_torch_parallel(const mt_torch *api, int64_t count, int64_t grain,
                      void (*body)(int64_t begin, int64_t end, void *context), void *context) {
  return api->torch_parallel_for(0, count, grain, body, context);
}

void mt_torch_use_threads(const mt_torch *api, int count) {
  if (api->set_threads && count > 0) api->set_threads(count);
}

void mt_torch_try_convolutions(const mt_torch *api) {
  // A member function takes its object first.
  if (api->global_context && api->set_benchmark) api->set_benchmark(api->global_context(), true);
}

uint32_t mt_torch_threads(const mt_torch *api) {
  uint32_t count = 0;
  return api->torch_get_num_threads(&count) == 0 ? count : 0;
}

#ifdef __GLIBC__
enum { large_page = 2 << 20 };

void mt_torch_keep_memory(void) {
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_MAX, 0);
  // Never give memory back, not even the heap that is freed below.
  mallopt(M_TRIM_THRESHOLD, -1);
  mallopt(M_TOP_PAD, 64 << 20);
  // The heap grows to this size and stays; what is not used takes no memory.
  size_t size = (size_t)INT32_MAX;
  char *heap = malloc(size);
  if (!heap) return;
  char *first = (char *)(((uintptr_t)heap + large_page - 1) / large_page * large_page);
  madvise(first, (size_t)(heap + size - first) / large_page * large_page, MADV_HUGEPAGE);
  free(heap);
}
#else
void mt_torch_keep_memory(void) {}
#endif

int mt_cuda_device_count(void) {
  void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!driver) return 0;
  int (*initialise)(unsigned);
  int (*count_devices)(int *);
  *(void **)&initialise = dlsym(driver, "cuInit");
  *(void **)&count_devices = dlsym(driver, "cuDeviceGetCount");
  int count = 0;
  if (!initialise || !count_devices || initialise(0) != 0 || count_devices(&count) != 0) return 0;
  return count;
}

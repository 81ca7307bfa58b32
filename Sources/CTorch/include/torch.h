// The part of PyTorch's stable C interface (pytorch.org, "LibTorch Stable ABI", since 2.10) that Microtome uses, bound at
// run time.
//
// Nothing here links against PyTorch: `mt_torch_bind` looks the functions up in a library that was opened before. The
// wrappers return a status, 0 for success, and are only called after a successful bind.
#ifndef MICROTOME_TORCH_H
#define MICROTOME_TORCH_H

#include <stddef.h>
#include <stdint.h>

typedef struct mt_torch mt_torch;
typedef struct mt_tensor mt_tensor;
/// 64 bits that hold an integer, a truth value, a double's bits, an owned tensor or list, or a pointer to an optional.
typedef uint64_t mt_value;

enum { MT_TORCH_CPU = 0, MT_TORCH_CUDA = 1, MT_TORCH_MPS = 2 };
enum {
  MT_TORCH_FLOAT32 = 0,
  MT_TORCH_FLOAT16 = 1,
  MT_TORCH_BFLOAT16 = 2,
  MT_TORCH_FLOAT64 = 3,
  MT_TORCH_INT16 = 4,
  MT_TORCH_INT64 = 5
};

/// Finds the functions in an open library. Returns NULL when one is missing and stores its name in `missing`.
/// The table is never freed: the library it belongs to stays open as well.
mt_torch *mt_torch_bind(void *library, const char **missing);
/// Finds what the library of another device adds. Returns 0 when it is there.
int mt_torch_bind_device(mt_torch *api, void *library, int device);

/// The library's release: major << 56 | minor << 48 | patch << 40. 0 when it is too old to say.
uint64_t mt_torch_version(void *library);
/// What the last failed call had to say; empty where the library does not tell (before 2.13). Never NULL.
const char *mt_torch_error(const mt_torch *api);

/// An uninitialised tensor.
int mt_torch_empty(const mt_torch *api, int64_t rank, const int64_t *sizes, const int64_t *strides, int element,
                   int device, int32_t index, mt_tensor **tensor);
/// An uninitialised tensor of so many float32 in memory of the processor that NVIDIA's devices read by themselves. Fails
/// where the library has no such device, or cannot do it.
int mt_torch_empty_pinned(const mt_torch *api, int64_t count, mt_tensor **tensor);
/// A tensor over memory of the processor that outlives it.
int mt_torch_view(const mt_torch *api, void *data, int64_t rank, const int64_t *sizes, const int64_t *strides,
                  int element, mt_tensor **tensor);
/// A part of a tensor's memory with a shape of its own; `offset` counts elements.
int mt_torch_part(const mt_torch *api, mt_tensor *tensor, int64_t rank, const int64_t *sizes, const int64_t *strides,
                  int64_t offset, mt_tensor **part);
void mt_torch_free(const mt_torch *api, mt_tensor *tensor);

int mt_torch_data(const mt_torch *api, mt_tensor *tensor, void **data);
/// The tensor's sizes and strides, which it owns.
int mt_torch_layout(const mt_torch *api, mt_tensor *tensor, int64_t *rank, const int64_t **sizes,
                    const int64_t **strides);
/// Copies elements, converting them, between devices as well. With `waits` 0 an NVIDIA device may still be copying when it
/// returns, and numbers that come from a device are not there yet. Ordinary memory may be changed at once nevertheless,
/// since the driver has read it by then ("API synchronization behavior" in the CUDA runtime's reference); pinned memory
/// must stay as it is until a result of the device has been waited for.
int mt_torch_copy(const mt_torch *api, mt_tensor *to, mt_tensor *from, int waits);
int mt_torch_zero(const mt_torch *api, mt_tensor *tensor);
/// The value of a tensor of one float32.
int mt_torch_item(const mt_torch *api, mt_tensor *tensor, float *value);
/// The sum of a tensor and a multiple of another on a device, as a new one.
int mt_torch_add(const mt_torch *api, int device, mt_tensor *one, mt_tensor *other, double factor, mt_tensor **sum);

/// Makes an argument that refers to the tensor; the call it is an argument of uses it up.
int mt_torch_argument(const mt_torch *api, mt_tensor *tensor, mt_value *value);
/// Makes a list of values; the call it is an argument of uses it up.
int mt_torch_list(const mt_torch *api, const mt_value *values, size_t count, mt_value *list);
/// Makes an optional that holds a value; the call it is an argument of uses it up. Nothing is the value 0.
int mt_torch_some(const mt_torch *api, mt_value content, mt_value *value);
/// Calls an operator ("aten::convolution") with the arguments on `stack`, where its results are afterwards.
int mt_torch_call(const mt_torch *api, const char *operation, const char *overload, mt_value *stack);
static inline mt_tensor *mt_torch_result(mt_value value) { return (mt_tensor *)(uintptr_t)value; }

/// Calls `body` with parts of 0..<count of at least `grain` items, on the threads that the library's operators use.
int mt_torch_parallel(const mt_torch *api, int64_t count, int64_t grain,
                      void (*body)(int64_t begin, int64_t end, void *context), void *context);
/// Sets the number of those threads; does nothing in a library that cannot be told.
void mt_torch_use_threads(const mt_torch *api, int count);
/// Makes NVIDIA's library try its ways to compute a convolution when it meets one, and keep the fastest; does nothing in
/// a library that cannot be told.
void mt_torch_try_convolutions(const mt_torch *api);
/// The number of those threads; 0 when unknown.
uint32_t mt_torch_threads(const mt_torch *api);

/// Makes the process keep the memory it frees, so that the arrays of the next training step need not be paged in again,
/// and asks for large pages for it. For processes that train; does nothing where malloc cannot be told so.
void mt_torch_keep_memory(void);

/// The number of devices that NVIDIA's driver knows; 0 without a driver.
int mt_cuda_device_count(void);

#endif

// A pretended NVIDIA device for PyTorch, in place of its libtorch_cuda.so. It computes with the processor's operators, but
// is as strict as a device:
//
// - Its memory is the processor's, 2^60 bytes away: whoever touches it outside of an operator crashes.
// - Fresh memory is full of not-a-numbers.
// - An operator that gets arrays from both sides fails, unless one is a single number without axes.
// - Pinned memory that is changed before the device has been waited for ends the program.
// - What has been counted (operators, copies, waits) is appended to the file PRETEND_CUDA_REPORT names, at exit.
#include <ATen/ATen.h>
#include <ATen/NativeFunctions.h>
#include <ATen/core/CachingHostAllocator.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/inductor/aoti_torch/utils.h>
#include <torch/library.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>

namespace {

struct Counts {
  std::mutex mutex;
  std::map<std::string, long> calls;

  void add(const std::string& name) {
    std::lock_guard<std::mutex> lock(mutex);
    calls[name]++;
  }

  ~Counts() {
    const char* path = getenv("PRETEND_CUDA_REPORT");
    FILE* file = path ? fopen(path, "a") : nullptr;
    if (!file) return;
    std::vector<std::pair<long, std::string>> sorted;
    for (const auto& [name, count] : calls) sorted.emplace_back(count, name);
    std::sort(sorted.rbegin(), sorted.rend());
    for (const auto& [count, name] : sorted) fprintf(file, "%9ld %s\n", count, name.c_str());
    fprintf(file, "convolutions are tried out: %s\n", at::globalContext().benchmarkCuDNN() ? "yes" : "no");
    fclose(file);
  }
} counts;

// Memory

constexpr uintptr_t far_away = uintptr_t(1) << 60;

c10::Storage allocate(size_t size) {
  void* base = nullptr;
  if (posix_memalign(&base, 512, std::max<size_t>(size, 1)) != 0) throw std::bad_alloc();
  memset(base, 0xFF, size);
  void* distant = reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(base) + far_away);
  c10::DataPtr pointer(distant, base, free, c10::Device(c10::kCUDA, 0));
  return c10::Storage(c10::Storage::use_byte_size_t(), size, std::move(pointer), nullptr, false);
}

at::Tensor allocate(c10::IntArrayRef sizes, c10::IntArrayRef strides, c10::ScalarType type) {
  int64_t count = 1;
  for (size_t axis = 0; axis < sizes.size(); axis++) count = sizes[axis] == 0 ? 0 : count + (sizes[axis] - 1) * strides[axis];
  if (std::find(sizes.begin(), sizes.end(), 0) != sizes.end()) count = 0;
  auto tensor = at::detail::make_tensor<c10::TensorImpl>(
      allocate(count * c10::elementSize(type)), c10::DispatchKeySet(c10::DispatchKey::CUDA),
      c10::scalarTypeToTypeMeta(type));
  tensor.unsafeGetTensorImpl()->set_sizes_and_strides(sizes, strides);
  return tensor;
}

// The same memory as a tensor of the processor.
at::Tensor near(const at::Tensor& tensor) {
  if (!tensor.defined() || !tensor.is_cuda()) return tensor;
  auto data = static_cast<char*>(tensor.unsafeGetTensorImpl()->unsafe_storage().mutable_data()) - far_away;
  data += tensor.storage_offset() * tensor.element_size();
  return at::from_blob(
      data, tensor.sizes(), tensor.strides(), [keep = tensor](void*) {}, at::TensorOptions().dtype(tensor.scalar_type()));
}

at::Tensor distant(const at::Tensor& tensor) {
  if (!tensor.defined() || tensor.is_cuda()) return tensor;
  auto result = allocate(tensor.sizes(), tensor.strides(), tensor.scalar_type());
  near(result).copy_(tensor);
  return result;
}

// Memory of the processor that the device reads by itself

class PinnedMemory final : public at::HostAllocator {
 public:
  at::DataPtr allocate(size_t size) override {
    void* base = nullptr;
    if (posix_memalign(&base, 512, std::max<size_t>(size, 1)) != 0) throw std::bad_alloc();
    std::lock_guard<std::mutex> lock(mutex);
    sizes[static_cast<char*>(base)] = size;
    return {base, base, remove, at::DeviceType::CPU};
  }

  bool holds(const void* pointer) const {
    std::lock_guard<std::mutex> lock(mutex);
    auto next = sizes.upper_bound(static_cast<char*>(const_cast<void*>(pointer)));
    return next != sizes.begin() && static_cast<const char*>(pointer) < std::prev(next)->first + std::prev(next)->second;
  }

  // The device reads it from now on.
  void read(const at::Tensor& source) {
    std::string content(static_cast<const char*>(source.const_data_ptr()), source.nbytes());
    std::lock_guard<std::mutex> lock(mutex);
    reads.emplace_back(static_cast<const char*>(source.const_data_ptr()), std::move(content));
  }

  // The device has done everything it was told.
  void wait() {
    std::lock_guard<std::mutex> lock(mutex);
    for (const auto& [pointer, content] : reads) {
      if (memcmp(pointer, content.data(), content.size()) == 0) continue;
      fprintf(stderr, "memory was changed while a device may have been reading it\n");
      abort();
    }
    reads.clear();
  }

  at::DeleterFnPtr raw_deleter() const override { return remove; }
  void copy_data(void* target, const void* source, size_t count) const override { memcpy(target, source, count); }
  bool record_event(void*, void*, c10::Stream) override { return false; }
  void empty_cache() override {}
  at::HostStats get_stats() override { return {}; }
  void reset_accumulated_stats() override {}
  void reset_peak_stats() override {}

 private:
  // It is never given back, so that what the device still reads can be looked at.
  static void remove(void*) {}
  mutable std::mutex mutex;
  std::map<char*, size_t> sizes;
  std::vector<std::pair<const char*, std::string>> reads;
} pinned;

struct Hooks final : public at::CUDAHooksInterface {
  explicit Hooks(at::CUDAHooksArgs) {}
  void init() const override {}
  bool hasCUDA() const override { return true; }
  bool isPinnedPtr(const void* pointer) const override { return pinned.holds(pointer); }
  at::Allocator* getPinnedMemoryAllocator() const override { return &pinned; }
};

// Operators

void check(const c10::OperatorHandle& operation, const at::Tensor& tensor) {
  TORCH_CHECK(
      !tensor.defined() || tensor.is_cuda() || tensor.dim() == 0, operation.schema().name(),
      " got a tensor of the processor of shape ", tensor.sizes());
}

template <typename Change>
c10::IValue changed(const c10::IValue& value, Change change) {
  if (value.isTensor()) return change(value.toTensor());
  if (value.isTensorList()) {
    std::vector<at::Tensor> list;
    for (const at::Tensor& tensor : value.toTensorVector()) list.push_back(change(tensor));
    return list;
  }
  return value;
}

bool is_half(const at::Tensor& tensor) {
  return tensor.defined() && (tensor.scalar_type() == at::kHalf || tensor.scalar_type() == at::kBFloat16);
}

at::Tensor widened(const at::Tensor& tensor) { return is_half(tensor) ? tensor.to(at::kFloat) : tensor; }

void call(const c10::OperatorHandle& operation, torch::jit::Stack* stack) {
  at::AutoDispatchBelowADInplaceOrView guard;
  const torch::jit::Stack arguments = *stack;
  try {
    operation.callBoxed(stack);
    return;
  } catch (const c10::Error& error) {
    // Some of the processor's operators do not know half precision, although a device's do.
    if (std::string(error.what()).find("not implemented for") == std::string::npos) throw;
  }
  auto type = at::kFloat;
  torch::jit::Stack wide;
  for (const auto& argument : arguments) {
    if (argument.isTensor() && is_half(argument.toTensor())) type = argument.toTensor().scalar_type();
    wide.push_back(changed(argument, widened));
  }
  *stack = wide;
  operation.callBoxed(stack);
  for (auto& result : *stack) {
    result = changed(result, [type](const at::Tensor& tensor) { return tensor.defined() ? tensor.to(type) : tensor; });
  }
  for (size_t place = 0; place < arguments.size(); place++) {
    const auto* alias = operation.schema().arguments()[place].alias_info();
    if (alias && alias->isWrite()) arguments[place].toTensor().copy_(wide[place].toTensor());
  }
}

// Every operator that the device has no function of its own for.
void run(const c10::OperatorHandle& operation, c10::DispatchKeySet, torch::jit::Stack* stack) {
  const auto& schema = operation.schema();
  counts.add(schema.name());
  if (schema.name() == "aten::_local_scalar_dense") pinned.wait();
  const size_t count = schema.arguments().size();
  const torch::jit::Stack arguments(stack->end() - count, stack->end());
  torch::jit::Stack own;
  for (const auto& argument : arguments) {
    own.push_back(
        argument.isDevice() ? c10::IValue(c10::Device(c10::kCPU)) : changed(argument, [&](const at::Tensor& tensor) {
          check(operation, tensor);
          return near(tensor);
        }));
  }
  call(operation, &own);
  stack->resize(stack->size() - count);
  for (size_t index = 0; index < schema.returns().size(); index++) {
    const auto* alias = schema.returns()[index].alias_info();
    TORCH_CHECK(!alias || alias->isWrite(), "the pretended device makes no view with ", schema.name());
    c10::IValue result = alias ? c10::IValue() : changed(own[index], distant);
    for (size_t place = 0; alias && place < count; place++) {
      const auto* written = schema.arguments()[place].alias_info();
      if (written && *written == *alias) result = arguments[place];
    }
    stack->push_back(result);
  }
}

at::Tensor empty(
    c10::SymIntArrayRef size, std::optional<c10::ScalarType> type, std::optional<c10::Layout>,
    std::optional<c10::Device>, std::optional<bool>, std::optional<c10::MemoryFormat>) {
  auto sizes = C10_AS_INTARRAYREF_SLOW(size);
  std::vector<int64_t> strides(sizes.size());
  int64_t next = 1;
  for (size_t axis = sizes.size(); axis-- > 0; next *= std::max<int64_t>(sizes[axis], 1)) strides[axis] = next;
  return allocate(sizes, strides, type.value_or(c10::kFloat));
}

at::Tensor empty_strided(
    c10::SymIntArrayRef size, c10::SymIntArrayRef strides, std::optional<c10::ScalarType> type,
    std::optional<c10::Layout>, std::optional<c10::Device>, std::optional<bool>) {
  return allocate(
      C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(strides), type.value_or(c10::kFloat));
}

at::Tensor& copy(at::Tensor& self, const at::Tensor& source, bool non_blocking) {
  TORCH_CHECK(self.is_cuda() || !non_blocking, "numbers are used that a device may still be copying");
  const bool is_pinned = !source.is_cuda() && pinned.holds(source.const_data_ptr());
  // The driver has to read ordinary memory before it returns; for more than this it waits for the device.
  const bool is_small = source.nbytes() <= 65536;
  counts.add(
      !self.is_cuda()          ? "copy from the device, which waits"
      : source.is_cuda()       ? "copy on the device"
      : !non_blocking          ? "copy to the device, which waits"
      : is_pinned || is_small  ? "copy to the device"
                               : "copy to the device of much ordinary memory, which waits");
  if (!self.is_cuda()) pinned.wait();
  if (is_pinned && non_blocking && source.is_contiguous()) pinned.read(source);
  at::AutoDispatchBelowADInplaceOrView guard;
  near(self).copy_(near(source));
  return self;
}

at::Tensor as_strided(
    const at::Tensor& self, c10::SymIntArrayRef size, c10::SymIntArrayRef strides, std::optional<c10::SymInt> offset) {
  auto view = at::detail::make_tensor<c10::TensorImpl>(c10::Storage(self.storage()), self.key_set(), self.dtype());
  view.unsafeGetTensorImpl()->set_storage_offset(offset ? offset->expect_int() : self.storage_offset());
  view.unsafeGetTensorImpl()->set_sizes_and_strides(
      C10_AS_INTARRAYREF_SLOW(size), C10_AS_INTARRAYREF_SLOW(strides));
  return view;
}

at::Tensor view(const at::Tensor& self, c10::SymIntArrayRef size) {
  return at::native::view(self, C10_AS_INTARRAYREF_SLOW(size));
}

at::Tensor reshape_alias(const at::Tensor& self, c10::SymIntArrayRef size, c10::SymIntArrayRef strides) {
  return as_strided(self, size, strides, std::nullopt);
}

struct Guard final : public c10::impl::NoOpDeviceGuardImpl<c10::DeviceType::CUDA> {};
C10_REGISTER_GUARD_IMPL(CUDA, Guard)
at::HostAllocatorRegistry<at::kCUDA> registry(&pinned);

}  // namespace

namespace at {
C10_REGISTER_CLASS(CUDAHooksRegistry, CUDAHooks, Hooks)
}

TORCH_LIBRARY_IMPL(_, CUDA, library) { library.fallback(torch::CppFunction::makeFromBoxedFunction<&run>()); }

TORCH_LIBRARY_IMPL(aten, CUDA, library) {
  library.impl("empty.memory_format", empty);
  library.impl("empty_strided", empty_strided);
  library.impl("copy_", copy);
  library.impl("as_strided", as_strided);
  library.impl("view", view);
  library.impl("_reshape_alias", reshape_alias);
  // PyTorch would take these to pieces, some of which the device does not have.
  for (const char* name :
       {"abs", "cat", "convolution", "convolution_backward", "dot", "flip", "matmul", "native_group_norm",
        "native_group_norm_backward"}) {
    library.impl(name, torch::CppFunction::makeFromBoxedFunction<&run>());
  }
}

extern "C" AOTITorchError aoti_torch_cuda_add_Tensor(
    AtenTensorHandle self, AtenTensorHandle other, double alpha, AtenTensorHandle* sum) {
  AOTI_TORCH_CONVERT_EXCEPTION_TO_ERROR_CODE({
    using namespace torch::aot_inductor;
    *sum = new_tensor_handle(
        at::add(*tensor_handle_to_tensor_pointer(self), *tensor_handle_to_tensor_pointer(other), alpha));
  });
}
